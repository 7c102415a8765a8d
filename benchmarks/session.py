"""A visitor without a browser: one session of a Streamlit page over its websocket, in Streamlit's own messages."""

import asyncio
import http.cookies
import json
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileUploaderState, FileURLs, UploadedFileInfo
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect

LONGEST = 300.0  # seconds that a rerun may take
BOUNDARY = uuid.uuid4().hex  # between the parts of a form
FORM_ENDS = f"\r\n--{BOUNDARY}--\r\n".encode()
GOES_ON = ForwardMsg.FINISHED_EARLY_FOR_RERUN  # the page asked to be run again: no end yet


@dataclass
class Widget:
    """A control of the page as it was last sent: its element, and the fragment that it belongs to."""

    element: Any
    fragment: str


@dataclass(frozen=True)
class Rerun:
    """One answer of the page: how long it took, how many bytes came, and the exceptions that it shows."""

    seconds: float
    size: int
    errors: list[str]


@dataclass
class Session:
    """What a browser keeps of a page: the elements, the controls by their keys, what they were set to, the address."""

    address: str
    socket: ClientConnection
    query: dict[str, list[str]]
    identifier: str = ""
    elements: dict[tuple[int, ...], Element] = field(default_factory=dict)
    widgets: dict[str, Widget] = field(default_factory=dict)
    states: dict[str, WidgetState] = field(default_factory=dict)
    sent_before: dict[str, ForwardMsg] = field(default_factory=dict)  # by hash: the server refers to it

    @classmethod
    @asynccontextmanager
    async def opened(cls, address: str, **query: str) -> AsyncIterator["Session"]:
        """A session, connected; `rerun` runs the page for the first time. ``query`` is the address's."""
        stream = f"ws{address.removeprefix('http')}/_stcore/stream"
        async with connect(
            stream, subprotocols=["streamlit"], max_size=None, compression=None, open_timeout=LONGEST
        ) as socket:
            yield cls(address, socket, {name: [value] for name, value in query.items()})

    async def rerun(self, fragment: str = "", *triggers: WidgetState) -> Rerun:
        """Run the page, or one fragment of it, with everything as it was set."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string = urllib.parse.urlencode(self.query, doseq=True)
        state.fragment_id = fragment
        state.cached_message_hashes.extend(self.sent_before)
        state.widget_states.widgets.extend([*self.states.values(), *triggers])
        start = time.perf_counter()
        await self.socket.send(message.SerializeToString())
        return await self.take_answer(start)

    async def take_answer(self, start: float) -> Rerun:
        """Take in what the page sends until its script is at the end."""
        deadline = start + LONGEST
        size, errors = 0, []
        drawn: dict[tuple[int, ...], Element] = {}
        while time.perf_counter() < deadline:
            data = await self.socket.recv(decode=False)
            size += len(data)
            message = ForwardMsg.FromString(data)
            place = tuple(message.metadata.delta_path)
            if message.WhichOneof("type") == "ref_hash":
                message = self.sent_before[message.ref_hash]
            elif message.metadata.cacheable:
                self.sent_before[message.hash] = message
            match message.WhichOneof("type"):
                case "new_session":
                    self.identifier = message.new_session.initialize.session_id
                    drawn = dict(self.elements) if message.metadata.run.fragment_ids else {}
                case "delta" if message.delta.WhichOneof("type") == "new_element":
                    element = message.delta.new_element
                    drawn[place] = element
                    self.take_widget(element, message.delta.fragment_id)
                    if element.WhichOneof("type") == "exception":
                        errors.append(f"{element.exception.type}: {element.exception.message}")
                case "delta" if message.delta.add_block.expandable.id:  # it opens and closes as a control does
                    self.keep_widget(message.delta.add_block.expandable, message.delta.fragment_id)
                case "page_info_changed":
                    self.query = urllib.parse.parse_qs(message.page_info_changed.query_string)
                case "script_finished" if message.script_finished != GOES_ON:
                    self.elements = drawn
                    return Rerun(time.perf_counter() - start, size, errors)
        raise TimeoutError(f"The page did not finish within {LONGEST:.0f} s.")

    def take_widget(self, element: Element, fragment: str) -> None:
        """Remember a control; where the page set its value, what it was set to here is no longer so."""
        kind = element.WhichOneof("type")
        self.keep_widget(getattr(element, kind) if kind else None, fragment)

    def keep_widget(self, widget: Any, fragment: str) -> None:
        """The same for what is in the element, or for a block that is a control."""
        identifier = getattr(widget, "id", "")
        if identifier:
            self.widgets[key_of(identifier)] = Widget(widget, fragment)
            if getattr(widget, "set_value", False):
                self.states.pop(identifier, None)

    async def move(self, key: str, value: Any) -> Rerun:
        """Set a control, as a person does, and take in the page's answer."""
        widget = self.widgets[key]
        state = WidgetState(id=widget.element.id)
        match type(widget.element).__name__:
            case "Slider":
                state.double_array_value.data.extend(value if isinstance(value, tuple) else [value])
            case "NumberInput":
                state.double_value = value
            case "Selectbox" | "Radio" | "TextArea" | "TextInput":
                state.string_value = str(value)
            case "Checkbox" | "Expandable":
                state.bool_value = value
            case kind:
                raise TypeError(f"{key} is a {kind}, which is not moved.")
        self.states[widget.element.id] = state
        if name := getattr(widget.element, "query_param_key", ""):
            self.query[name] = [str(each) for each in (value if isinstance(value, tuple) else [value])]
        return await self.rerun(widget.fragment)

    async def put(self, key: str, **values: Any) -> Rerun:
        """What a component of the page keeps by itself, and takes to the page."""
        self.hold(key, **values)
        return await self.rerun(self.widgets[key].fragment)

    def hold(self, key: str, **values: Any) -> None:
        """The same, to be taken to the page with whatever comes next."""
        identifier = self.widgets[key].element.id
        self.states[identifier] = WidgetState(id=identifier, json_value=json.dumps(values))

    async def trigger(self, key: str, event: str, value: Any) -> Rerun:
        """What a component of the page tells once: a click."""
        widget = self.widgets[key]
        payload = json.dumps([{"event": event, "value": value}])
        name = f"$$STREAMLIT_INTERNAL_KEY_{widget.element.id}__events"
        return await self.rerun(widget.fragment, WidgetState(id=name, json_trigger_value=payload))

    async def upload(self, key: str, name: str, content: bytes) -> Rerun:
        """Give a file to the page's uploader of this key."""
        urls = await self.place_for_file(name)
        request = urllib.request.Request(
            f"{self.address}{urls.upload_url}", form_of(name, content) + FORM_ENDS, method="PUT", headers=self.headers()
        )  # fmt: skip
        await asyncio.to_thread(lambda: urllib.request.urlopen(request).close())  # other sessions go on meanwhile
        info = UploadedFileInfo(name=name, size=len(content), file_id=urls.file_id, file_urls=urls)
        widget = self.widgets[key]
        state = WidgetState(id=widget.element.id)
        state.file_uploader_state_value.CopyFrom(FileUploaderState(uploaded_file_info=[info]))
        self.states[widget.element.id] = state
        return await self.rerun(widget.fragment)

    async def begin_upload(self, name: str, content: bytes, of: int) -> None:
        """Send the first bytes of a file, said to be ``of`` so many, and hang up."""
        urls = await self.place_for_file(name)
        where = urllib.parse.urlsplit(self.address)
        _, writer = await asyncio.open_connection(where.hostname, where.port)
        headers = self.headers() | {"Host": where.netloc, "Content-Length": str(of)}
        lines = [f"PUT {urls.upload_url} HTTP/1.1", *(f"{header}: {value}" for header, value in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + form_of(name, content))
        await writer.drain()
        writer.close()

    async def place_for_file(self, name: str) -> FileURLs:
        """Where the server takes a file of this name."""
        request = BackMsg()
        request.file_urls_request.request_id = uuid.uuid4().hex
        request.file_urls_request.session_id = self.identifier
        request.file_urls_request.file_names.append(name)
        await self.socket.send(request.SerializeToString())
        answer = ForwardMsg()
        while answer.WhichOneof("type") != "file_urls_response":
            answer = ForwardMsg.FromString(await self.socket.recv(decode=False))
        return answer.file_urls_response.file_urls[0]

    def headers(self) -> dict[str, str]:
        """What the browser's form sends with a file."""
        with urllib.request.urlopen(f"{self.address}/_stcore/health") as page:
            token = http.cookies.SimpleCookie(page.headers["Set-Cookie"])["_streamlit_xsrf"].value
        return {
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "X-Xsrftoken": token,
            "Cookie": f"_streamlit_xsrf={token}",
        }  # fmt: skip

    def text(self) -> str:
        """Everything on the page, to look for a word in."""
        return "\n".join(map(str, self.elements.values()))

    def shown(self, key: str) -> str:
        """What the page gives the component of this key to show; empty where it is not on the page."""
        found = (getattr(element, element.WhichOneof("type") or "empty") for element in self.elements.values())
        return next((widget.json for widget in found if key_of(getattr(widget, "id", "")) == key), "")


def form_of(name: str, content: bytes) -> bytes:
    """A file as the browser's form sends it, but for the end."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'
    return head.encode() + content


def key_of(identifier: str) -> str:
    """The key that the page gave a control, of its identifier: $$ID-hash-key."""
    return identifier.split("-", 2)[-1]
