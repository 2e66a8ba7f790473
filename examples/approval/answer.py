"""Say yes to what ask.py was asked: python answer.py [URL]."""

import json
import sys
from pathlib import Path

from openai import OpenAI

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
asked = json.loads(Path("asked.json").read_text())

with OpenAI(base_url=f"{URL}/v1", api_key="any") as client:
    done = client.responses.create(
        model="refunds",
        previous_response_id=asked["response"],
        input=[{"type": "mcp_approval_response", "approval_request_id": asked["question"], "approve": True}],
    )
print(done.output_text)
