"""Another site, or another user's page on another port, that would like to use a browser which is logged in to ours."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = """<!doctype html><title>evil</title>
<form method="post" action="{target}/e/e1/cancel"><button>win a prize</button></form>
<iframe src="{target}/e/e1"></iframe>
<script>
const attempts = [
  fetch("{target}/api/experiments", {{credentials: "include"}}).then((reply) => reply.text()),
  fetch("{target}/e/e1/cancel", {{method: "POST", credentials: "include"}}).then((reply) => reply.text()),
  new Promise((done, failed) => {{
    const source = new EventSource("{target}/api/events", {{withCredentials: true}});
    source.onopen = done;
    source.onerror = failed;
  }}),
];
Promise.all(attempts.map((each) => each.then(() => "read", () => "refused"))).then((all) => {{ window.results = all; }});
fetch("{target}/api/experiments/e1/cancel", {{method: "POST", mode: "no-cors", credentials: "include", body: "job=rank8"}});
</script>"""


@contextmanager
def elsewhere(target: str) -> Iterator[int]:
    """The port on which it is, on all names of this machine."""

    class Evil(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE.format(target=target).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Evil) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
