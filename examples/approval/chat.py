"""The same over a chat, in words: python chat.py [URL]."""

import sys

import httpx2

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"


def say(text: str) -> None:
    answer = httpx2.post(f"{URL}/echo", json={"user": "ada", "text": text}).json()["text"]
    print(f"> {text}\n{answer}")


say("Refund 90 for order B1.")
say("Why do you ask?")
say("no")
