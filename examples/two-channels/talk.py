"""Talk to it over both wires: python talk.py [URL]."""

import sys

import httpx2
from openai import OpenAI

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"


def chat(user: str, text: str) -> str:
    return httpx2.post(f"{URL}/echo", json={"user": user, "text": text}).json()["text"]


def api(text: str) -> str:
    with OpenAI(base_url=f"{URL}/v1", api_key="ada-secret") as client:
        return client.responses.create(model="assistant", input=text).output_text


print("chat, Ada:  ", chat("ada", "Hello, my name is Ada."))
print("API, Ada:   ", api("Who am I?"))
print("chat, Grace:", chat("grace", "Who am I?"))
