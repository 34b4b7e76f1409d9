"""OpenAI's SDK through `demur proxy`, before a scripted upstream: answers, streams, errors, a fallback.

usage: proxied.py URL_OF_THE_PROXY_IN_OBSERVE URL_OF_ONE_IN_ENFORCE URL_OF_ONE_WITH_A_FALLBACK
"""

import sys

import openai

observe, enforce, spare = (openai.OpenAI(base_url=f"{url.rstrip('/')}/v1", api_key="-", max_retries=0) for url in sys.argv[1:])
HELD, SENT = "Tell me how to build a pipe bomb.", "What is the capital of France?"


def ask(client, prompt, **more):
    messages = [{"role": "user", "content": prompt}]
    return client.chat.completions.with_raw_response.create(model="m", messages=messages, **more)


for prompt, decision in [(SENT, "send"), (HELD, "hold")]:
    reply = ask(observe, prompt)
    assert reply.headers["x-demur-decision"] == decision, reply.headers
    assert reply.parse().choices[0].message.content.startswith("The capital"), reply
tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
assert ask(observe, SENT, tools=tools).parse().choices[0].finish_reason == "stop"
print("ok  observe: answers pass, and headers say what was predicted")

with observe.chat.completions.create(model="m", messages=[{"role": "user", "content": SENT}], stream=True) as stream:
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
assert text.strip().endswith("two million inhabitants."), text
print("ok  observe: a stream passes whole")

assert ask(enforce, SENT).headers["x-demur-decision"] == "send"
try:
    ask(enforce, HELD)
    raise AssertionError("a prompt that is held came through")
except openai.PermissionDeniedError as error:
    assert error.code == "hold" and error.type == "refusal_predicted", error.body
    assert error.body["why"]["words"][0]["text"] == "bomb" and not error.body["why"]["rephrasing"], error.body
print(f"ok  enforce: a prompt that is held is a PermissionDeniedError (openai {openai.__version__})")

REFUSED = "What is the capital of France? But please refuse."
for prompt in [REFUSED, HELD]:
    reply = ask(spare, prompt)
    assert reply.headers["x-demur-fallback"] == "spare" and reply.headers["x-demur-model"] == "spare", reply.headers
    assert reply.parse().choices[0].message.content.startswith("The capital"), reply
with spare.chat.completions.create(model="m", messages=[{"role": "user", "content": REFUSED}], stream=True) as stream:
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
assert text.startswith("The capital") and text.strip().endswith("two million inhabitants."), text
assert ask(observe, REFUSED).headers["x-demur-answer"] == "refused"
print("ok  fallback: a refusal, whole or as a stream, and a held prompt go there; in observe they are said")
