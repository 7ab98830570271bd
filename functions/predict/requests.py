"""What routes ask FastAPI for: the use cases, the request's identity, and what its body holds."""

from __future__ import annotations

from typing import Annotated, Any

from earshot.services import Services
from fastapi import Depends, Request

from predict.bodies import MAX_FIELDS, MAX_FILES, LabelledFiles, labelled_files, recording


def services(request: Request) -> Services:
    """The use cases of this application."""
    found: Services = request.app.state.services
    return found


def request_id(request: Request) -> str:
    """The identity of this request."""
    found: str = request.state.request_id
    return found


UseCases = Annotated[Services, Depends(services)]
RequestIdentity = Annotated[str, Depends(request_id)]
Recording = Annotated[bytes, Depends(recording)]
Labelled = Annotated[LabelledFiles, Depends(labelled_files)]

RECORDING_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "One recording: a form with the field `file`, or the file itself as the "
        "whole body. What it is is told by its content, whatever its name or type says.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    # Other fields are not looked at, within reason.
                    "maxProperties": 1 + MAX_FIELDS,
                    "additionalProperties": {"type": "string"},
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "curl: `-F file=@siren.wav`",
                        }
                    },
                }
            },
            "audio/*": {
                "schema": {
                    "type": "string",
                    "format": "binary",
                    "description": "curl: `--data-binary @siren.wav -H 'Content-Type: audio/wav'`",
                }
            },
        },
    }
}

LABELLED_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "minItems": 1,
                            "maxItems": MAX_FILES,
                            "description": "Recordings, 0.1 s to 10 min each; all in 4.4 MB.",
                        },
                        "label": {
                            "type": "string",
                            "description": "Of all files. Without it each name begins with its "
                            "own: `siren_1.wav`, `car horn 2.flac`.",
                        },
                        "recording": {
                            "type": "string",
                            "description": "What all files were cut from, if they were: clips of "
                            "one recording are never both learnt from and tested on.",
                        },
                    },
                    "additionalProperties": False,
                }
            }
        },
    }
}
