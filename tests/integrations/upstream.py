"""A scripted upstream that speaks OpenAI's chat completions, for a gateway to stand before.

It refuses where the prompt says so, unless the model is `spare`, and counts what reached it (GET /count): a prompt that a guardrail held did not.
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REFUSAL = "I'm sorry, but I can't help with that request."
ANSWER = "The capital of France is Paris. It lies on the Seine and has about two million inhabitants."
count = 0


class Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, body, media_type="application/json"):
        self.send_response(200)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.reply(json.dumps({"count": count}).encode())

    def do_POST(self):
        global count
        count += 1
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        refuses = "please refuse" in json.dumps(request["messages"]) and request["model"] != "spare"
        text = REFUSAL if refuses else ANSWER
        base = {"id": "c1", "created": 1, "model": request["model"]}
        if request.get("stream"):
            words = text.split(" ")
            deltas = [{"role": "assistant", "content": ""}, *({"content": word + " "} for word in words)]
            chunks = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
            chunks.append({"index": 0, "delta": {}, "finish_reason": "stop"})
            lines = [json.dumps(base | {"object": "chat.completion.chunk", "choices": [chunk]}) for chunk in chunks]
            body = "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"])
            return self.reply(body.encode(), "text/event-stream")
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        self.reply(json.dumps(base | {"object": "chat.completion", "choices": [choice], "usage": usage}).encode())


server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
