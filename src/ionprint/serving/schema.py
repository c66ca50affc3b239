"""What the service says of itself: its OpenAPI description."""

from typing import Any

from ionprint.serving.given import LONGEST_NAME
from ionprint.serving.service import EXTRAS, MOST_SPECTRA

DESCRIPTION = (
    "Which compounds lie on a surface, from ToF-SIMS spectra, and which ions prove it. "
    "Fractions are shares of the signal, not weights; probabilities are qualitative."
)


def _numbers(what: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "number", "minimum": 0}, "description": what}


SPECTRUM = {
    "type": "object",
    "description": "One spectrum: `export`, or `mz` with `counts`, or `mz` with `area`.",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME},
        "export": {"type": "string", "description": "Text of a SurfaceLab ASCII export."},
        "mz": _numbers("m/z (u); rising, where they are of a spectrum."),
        "channel": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "counts": _numbers("Counts of each channel, as measured."),
        "area": _numbers("Counts of each peak."),
        "primary_ions": {"type": "number", "exclusiveMinimum": 0},
        "pulses": {"type": "number", "exclusiveMinimum": 0},
    },
    "additionalProperties": False,
}
ERRORS = {
    "type": "object",
    "required": ["errors"],
    "properties": {
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "reason"],
                "properties": {"field": {"type": "string"}, "reason": {"type": "string"}},
            },
        }
    },
}
COMPOUND = {
    "type": "object",
    "properties": {
        "probability": {"type": "number", "description": "Of the classifier, qualitative."},
        "presence": {"type": "number", "description": "Score, 0 to 1."},
        "present": {"type": "boolean"},
        "fraction": {"type": "number", "description": "Share of the signal."},
        "low": {"type": "number", "description": "Of the 90 % interval."},
        "high": {"type": "number"},
        "proof": {"type": "string", "enum": ["strong", "weak", "noise", ""]},
        "evidence": {"type": "array", "items": {"type": "object"}},
    },
}
PREDICTIONS = {
    "type": "object",
    "required": ["predictions"],
    "properties": {
        "predictions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "holds", "compounds", "alarm", "model"],
                "properties": {
                    "name": {"type": "string"},
                    "holds": {"type": "string"},
                    "compounds": {"type": "object", "additionalProperties": COMPOUND},
                    "alarm": {"type": "object"},
                    "counts": {"type": "number"},
                    "coverage": {"type": "number"},
                    "scale": {"type": "object"},
                    "beside": {"type": "array", "items": {"type": "object"}},
                    "warnings": {"type": "array", "items": {"type": "string"}},
                    "source": {"type": "string"},
                    "model": {"type": "object"},
                },
            },
        }
    },
}
EXAMPLE = {"spectra": [{"name": "spot 1", "mz": [6.015, 7.016], "area": [812, 9571]}]}


def _json(schema: dict[str, Any], what: str, **more: Any) -> dict[str, Any]:
    return {"description": what, "content": {"application/json": {"schema": schema, **more}}}


def _answers(good: dict[str, Any], codes: dict[int, str], closed: bool) -> dict[int, Any]:
    codes = {**({401: "The key is missing or wrong."} if closed else {}), **codes}
    return {200: good, **{code: _json(ERRORS, text) for code, text in codes.items()}}


def _described(
    summary: str, good: dict, codes: dict[int, str], closed: bool, **extra: Any
) -> dict[str, Any]:
    """Return what a route is declared with; nothing is derived from its function."""
    return {
        "summary": summary,
        "response_model": None,
        "responses": _answers(good, codes, closed),
        "openapi_extra": extra,
    }


def predict(closed: bool) -> dict[str, Any]:
    """Describe `POST /predict`."""
    spectra = {"type": "array", "items": SPECTRUM, "minItems": 1, "maxItems": MOST_SPECTRA}
    body = {
        "type": "object",
        "required": ["spectra"],
        "properties": {"spectra": spectra},
        "additionalProperties": False,
    }
    number = {"type": "number", "exclusiveMinimum": 0}
    form = {
        "type": "object",
        "required": ["files"],
        "properties": {
            "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
            "primary_ions": number,
            "pulses": number,
        },
    }
    content = {
        "application/json": {"schema": body, "example": EXAMPLE},
        "multipart/form-data": {"schema": form},
    }
    include = {
        "name": "include",
        "in": "query",
        "required": False,
        "description": "What to send besides: flat `rows`, the spectrum's `profile`.",
        "schema": {"type": "array", "items": {"type": "string", "enum": list(EXTRAS)}},
        "style": "form",
        "explode": False,
    }
    return _described(
        "Read spectra",
        _json(PREDICTIONS, "An answer for each spectrum, in their order."),
        {
            400: "The body is neither JSON nor a form, or the host is another.",
            408: "The body did not arrive in time.",
            413: "The body is too large, or takes too long to read.",
            415: "Another media type.",
            422: "A spectrum cannot be read: which field, and why.",
            503: "Far too many requests wait; the header Retry-After says when to come again.",
        },
        closed,
        requestBody={"required": True, "content": content},
        parameters=[include],
    )


def health() -> dict[str, Any]:
    """Describe `GET /health`."""
    return _described("Whether it answers", _json({"type": "object"}, "It does."), {}, False)


def model(closed: bool) -> dict[str, Any]:
    """Describe `GET /model`."""
    good = _json({"type": "object"}, "Compounds, peaks, choices, data set, versions.")
    return _described("What answers", good, {}, closed)


def reload(closed: bool) -> dict[str, Any]:
    """Describe `POST /reload`."""
    good = _json({"type": "object"}, "The version that answers from now on.")
    codes = {409: "It cannot be loaded; the old one goes on.", 415: "Another media type."}
    content = {"application/json": {"schema": {"type": "object"}}}
    return _described(
        "Load the model anew, such as a new champion", good, codes, closed,
        requestBody={"required": True, "content": content},
    )  # fmt: skip
