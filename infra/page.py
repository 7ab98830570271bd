"""The dashboard for a host of its own, S3 for example: ``python -m infra.page API_URL FOLDER``.

With the template's parameter WithPage=true the stack has a bucket behind CloudFront for it, its
outputs PageBucketName and PageUrl, and the API lets it in. For any other host the API has to know
where the page will be (CorsOrigins), and the host has to send ``frame-ancestors 'none'``. The names
of files under ``web/`` are made from their content, so browsers may keep all but the page itself::

    aws s3 sync FOLDER/web s3://BUCKET/web --cache-control "public, max-age=31536000, immutable"
    aws s3 cp FOLDER/index.html s3://BUCKET/index.html --cache-control no-cache
"""

from __future__ import annotations

import argparse
import urllib.request
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from predict import assets

API = 'name="earshot-api" content=""'
CHARSET = '<meta charset="utf-8">'


def main() -> None:
    """Write the page of an API, and the files that it is made of, into a folder."""
    parser = argparse.ArgumentParser(prog="python -m infra.page", description=__doc__)
    parser.add_argument("api", help="where the API is: https://… (it is asked for its buckets)")
    parser.add_argument("folder")
    options = parser.parse_args()
    if not options.api or not options.folder:
        parser.error("say where the API is, and what folder to write: make page API=… OUT=…")
    try:
        write(options.api.rstrip("/") + "/", Path(options.folder))
    except (OSError, ValueError) as error:
        parser.error(f"{options.api}: {error}")


def write(api: str, folder: Path) -> None:
    """Write the dashboard of the API at the address ``api``.

    Raises OSError if it is not there, ValueError if that is no address.
    """
    parts = urlsplit(api)
    policy = assets.policy(connect=(f"{parts.scheme}://{parts.netloc}", *_buckets(api)))
    # What frames a page is told by a header only: the host has to say it.
    policy = "; ".join(one for one in policy.split("; ") if not one.startswith("frame-ancestors"))
    html = assets.page("index.html").content.decode()
    html = html.replace(API, f'name="earshot-api" content="{escape(api)}"')
    html = html.replace(
        CHARSET,
        f'{CHARSET}\n<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="referrer" content="no-referrer">',
    )
    for path, asset in assets.assets().items():
        if not path.endswith(".html"):
            file = folder / "web" / assets.version() / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(asset.content)
    (folder / "index.html").write_text(html, encoding="utf-8")


def _buckets(api: str) -> list[str]:
    """The origins that the API's own page may upload to."""
    with urllib.request.urlopen(api, timeout=30) as answer:
        policy = answer.headers["content-security-policy"]
    connect = next(one for one in policy.split("; ") if one.startswith("connect-src "))
    return [origin for origin in connect.split()[1:] if origin != "'self'"]


if __name__ == "__main__":
    main()
