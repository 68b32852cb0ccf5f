"""What can go wrong, by who can do something about it.

    WebAdmitExportsError
    ├── InvalidInput            an event, a callback or a setting that cannot be used; says which part and what to do
    ├── ApiKeyUnusable          the secret holds no API key yet, or something that is not one
    ├── AwsUnavailable          an AWS service did not do as asked; later it may
    │   ├── AnnouncementDelayed the file is recorded, but not announced yet; the reconciler will
    │   └── SigningKeyUnusable  the key for callback URLs is missing, or could be guessed
    ├── HostRefused             a download URL leads to a host that is not allowed, or not yet
    ├── UrlRefused              a download URL that is never followed, even where its host is allowed
    ├── DownloadFailed          the storage did not give the whole file; with a fresh URL it may
    └── WebAdmitError           WebAdMIT did not do as asked
        ├── ApiKeyRefused       401
        ├── AccessRefused       403
        ├── RequestRefused      404, 422 and the other 4xx: asking again does not help
        ├── RateLimited         429
        └── Unavailable         5xx, 408, 3xx, time-outs, resets, answers that cannot be read: asking again may help
            └── AnswerTooLong   an answer of more bytes than are read: asking again will not help

No message holds the API key, a callback's signature, a download URL or a body: exceptions end up in logs.
"""


class WebAdmitExportsError(Exception):
    """The base of every error that this project raises on purpose.

    `problem`: its name in the catalogue of messages. `says_all`: whether that says everything in our words.
    """

    problem = "UNEXPECTED"
    says_all = False

    @property
    def detail(self) -> str:
        """What a person should read beyond the problem; may be empty."""
        return "" if self.says_all else str(self)


class InvalidInput(WebAdmitExportsError):
    """Something that a person or WebAdMIT sent cannot be used; the text names the part and says what is expected."""


class ApiKeyUnusable(WebAdmitExportsError):
    """The secret for the WebAdMIT API key is empty, or what it holds is not a key."""

    problem = "API_KEY_MISSING"
    says_all = True


class AwsUnavailable(WebAdmitExportsError):
    """An AWS service did not do as asked, after botocore's own retries."""

    problem = "AWS_UNAVAILABLE"


class AnnouncementDelayed(AwsUnavailable):
    """The update is stored, but its announcement could not be finished; it stays due."""


class SigningKeyUnusable(AwsUnavailable):
    """Callback URLs can be neither made nor checked until a person stores a proper key."""

    problem = "SIGNING_KEY_UNUSABLE"
    says_all = True


class HostRefused(WebAdmitExportsError):
    """A file is not fetched from there; the text is the host."""

    problem = "HOST_REFUSED"


class UrlRefused(WebAdmitExportsError):
    """A file is never fetched from there; the text says what is wrong, without the URL."""

    problem = "ADDRESS_REFUSED"


class DownloadFailed(WebAdmitExportsError):
    """The file did not come, or not whole."""

    problem = "STORAGE_UNAVAILABLE"


class WebAdmitError(WebAdmitExportsError):
    """WebAdMIT did not do as asked.

    `what` happened, in our words; `quote` is what WebAdMIT said, made safe to repeat, empty where it said nothing.
    """

    def __init__(self, path: str, what: str, quote: str = "") -> None:
        super().__init__(": ".join(part for part in (path, what, quote) if part))
        self.what = what
        self.quote = quote

    @property
    def detail(self) -> str:
        return self.quote if self.says_all else self.quote or self.what


class ApiKeyRefused(WebAdmitError):
    """401: the key is wrong, or its owner has made a new one."""

    problem = "API_KEY_REFUSED"
    says_all = True


class AccessRefused(WebAdmitError):
    """403: the key's owner may not use this identity."""

    problem = "ACCESS_REFUSED"
    says_all = True


class RequestRefused(WebAdmitError):
    """A 4xx that asking again does not change, or an answer about another export; `status` is the HTTP status."""

    def __init__(self, path: str, what: str, quote: str = "", *, status: int) -> None:
        super().__init__(path, what, quote)
        self.status = status
        self.problem = "NOT_FOUND" if status == 404 else "REJECTED"


class RateLimited(WebAdmitError):
    """429; `retry_after` is how many seconds WebAdMIT asks us to wait, None where it does not say."""

    problem = "RATE_LIMITED"
    says_all = True

    def __init__(self, path: str, what: str, quote: str = "", *, retry_after: float | None) -> None:
        super().__init__(path, what, quote)
        self.retry_after = retry_after


class Unavailable(WebAdmitError):
    """No usable answer: 5xx, a redirect, a time-out, a reset, HTML or broken JSON."""

    problem = "UNAVAILABLE"


class AnswerTooLong(Unavailable):
    """The answer had more bytes than are read."""
