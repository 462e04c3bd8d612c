"""The queue, the agent and the workers: every computation is a job that outlives its terminal."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tomotui.jobs.presence import AgentInfo, AgentStatus, agent_status, ensure_agent
    from tomotui.jobs.specification import Heartbeat, heartbeat_of
    from tomotui.jobs.submission import submit

__all__ = [
    "AgentInfo",
    "AgentStatus",
    "Heartbeat",
    "agent_status",
    "ensure_agent",
    "heartbeat_of",
    "submit",
]

_HOMES = {
    "AgentInfo": "presence",
    "AgentStatus": "presence",
    "Heartbeat": "specification",
    "agent_status": "presence",
    "ensure_agent": "presence",
    "heartbeat_of": "specification",
    "submit": "submission",
}


def __getattr__(name: str) -> Any:
    """Import on first use: a worker, which lies in this package, has no need of the database."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
