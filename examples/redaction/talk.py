"""Try to get something through: python talk.py [URL]."""

import sys

import httpx2
from openai import OpenAI

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
SAID = "My card is 4111 1111 1111 1111."

print("chat:    ", httpx2.post(f"{URL}/echo", json={"user": "ada", "text": SAID}).json()["text"])
with OpenAI(base_url=f"{URL}/v1", api_key="any") as client:
    print("API:     ", client.responses.create(model="repeating", input=SAID).output_text)
    with client.responses.stream(model="repeating", input=SAID) as events:
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    print("streamed:", text)
