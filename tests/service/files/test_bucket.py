import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from service.domain.errors import FilesUnavailable
from service.files import bucket
from service.files.bucket import MOST_BYTES, Bucket
from tests.gofakes3 import BUCKET, LOGIN, NONE_HERE, find_gofakes3, running_gofakes3

NEEDS_S3 = pytest.mark.skipif(find_gofakes3() is None, reason=NONE_HERE)
PDF = b"%PDF-1.7\n" + b"\0\xff" * 500


@pytest.fixture(scope="module")
async def s3_url() -> AsyncIterator[str]:
    async with running_gofakes3() as url:
        yield url


@pytest.fixture(autouse=True)
def login(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in LOGIN.items():
        monkeypatch.setenv(name, value)


@NEEDS_S3
async def test_what_was_put_comes_back(s3_url: str) -> None:
    whole = Bucket(f"s3://{BUCKET}", endpoint=s3_url, region="eu-central-1")
    part = Bucket(f"s3://{BUCKET}/staging/files/", endpoint=s3_url)

    for content in (PDF, b"", PDF):  # the same key again is harmless
        await part.put("acme/a", content, "application/pdf")
        assert await part.get("acme/a") == content

    assert await whole.get("staging/files/acme/a") == PDF
    assert await whole.get("acme/a") is None
    assert await part.get("acme/b") is None
    await part.put("acme/large", b"x" * (MOST_BYTES + 1), "text/plain")
    assert await part.get("acme/large") is None


@NEEDS_S3
async def test_a_bucket_that_is_not_there_is_unavailable(s3_url: str) -> None:
    with pytest.raises(FilesUnavailable):
        await Bucket("s3://nowhere", endpoint=s3_url).put("a", PDF, "application/pdf")


async def test_a_server_that_is_gone_or_silent_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    monkeypatch.setattr(bucket, "TIMEOUT_S", 1)
    monkeypatch.setattr(bucket, "MOST_RETRIES", 0)
    async with await asyncio.start_server(hang, "127.0.0.1", 0) as silent:
        endpoint = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
        silently = Bucket(f"s3://{BUCKET}", endpoint=endpoint)
        with pytest.raises(FilesUnavailable):
            await silently.put("a", PDF, "application/pdf")
    with pytest.raises(FilesUnavailable) as refused:
        await silently.get("a")
    assert "127.0.0.1" not in str(refused.value)
