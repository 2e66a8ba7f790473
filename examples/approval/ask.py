"""Ask for a refund over the API, and note down what was asked back: python ask.py [URL]."""

import json
import sys
from pathlib import Path

from openai import OpenAI

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"

with OpenAI(base_url=f"{URL}/v1", api_key="any") as client:
    small = client.responses.create(model="refunds", input="Refund 20 for order A6.")
    large = client.responses.create(model="refunds", input="Refund 80 for order A7.")

print(small.output_text)
for item in large.output:
    if item.type == "mcp_approval_request":
        print("Asked:", json.loads(item.arguments)["request"]["prompt"])
        Path("asked.json").write_text(json.dumps({"response": large.id, "question": item.id}))
