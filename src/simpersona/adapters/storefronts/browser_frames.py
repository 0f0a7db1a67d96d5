"""The accessibility tree of a page with the frames in it, as one tree."""

from __future__ import annotations

from typing import Any

from playwright.async_api import CDPSession, Error


async def whole_tree(cdp: CDPSession) -> list[dict[str, Any]]:
    """What the protocol's Accessibility.getFullAXTree gives, the root first, with each frame's tree below its element.

    `frame` of a node is the frame's number, 0 for the page itself. A frame of another site runs in a separate process,
    which this session does not reach; such a frame stays empty.
    """
    nodes: list[dict[str, Any]] = (await cdp.send("Accessibility.getFullAXTree"))["nodes"]
    number = 0
    for element in nodes:  # grows meanwhile, so that frames in frames are reached
        if element.get("role", {}).get("value") != "Iframe" or element.get("ignored"):
            continue
        number += 1
        try:
            described = await cdp.send("DOM.describeNode", {"backendNodeId": element["backendDOMNodeId"]})
            inner = (await cdp.send("Accessibility.getFullAXTree", {"frameId": described["node"]["frameId"]}))["nodes"]
        except (Error, KeyError):
            continue
        nodes += _numbered(inner, number)
        element["childIds"] = [inner[0]["nodeId"]] if inner else []
    return nodes


def _numbered(nodes: list[dict[str, Any]], frame: int) -> list[dict[str, Any]]:
    """A frame's nodes with ids that differ from the page's; its root is a part of the page like any other."""
    for index, node in enumerate(nodes):
        node["nodeId"] = f"{frame}:{node['nodeId']}"
        node["childIds"] = [f"{frame}:{child}" for child in node.get("childIds", ())]
        node["frame"] = frame
        if index == 0:
            node["role"] = {"value": "generic"}
    return nodes
