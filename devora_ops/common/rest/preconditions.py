"""If-Match: a change that was based on what somebody else has changed since is refused."""

import hashlib

from django.utils.http import parse_etags
from django.utils.translation import gettext as _
from rest_framework.request import Request

from devora_ops.common.errors import DevoraError


class PreconditionFailed(DevoraError):
    """The object is no longer what the caller saw."""

    status = 412
    code = "precondition_failed"


def etag(*parts: object) -> str:
    """Return a strong ETag of what identifies one state of an object."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()
    return f'"{digest[:32]}"'


def check_if_match(request: Request, current: str) -> None:
    """Compare the request's If-Match, if any, with the object's ETag.

    Call it under the row's lock, or somebody changes the object after the comparison.
    """
    header = request.headers.get("If-Match")
    if header is not None and not {"*", current} & set(parse_etags(header)):
        raise PreconditionFailed(_("It has been changed since you read it."))
