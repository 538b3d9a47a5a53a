"""An upload goes on after its tab was closed, and what is not wanted any more can be removed."""

from playwright.sync_api import Page, Request, expect

from tests.e2e.browsing import join
from tests.e2e.people import BIKES, BUNNY

REGION = "Unfinished uploads"


def test_an_upload_survives_its_tab(page: Page) -> None:
    join(page, "resumer")
    page.goto("/upload")
    page.get_by_label("Video files", exact=True).set_input_files([BUNNY, BIKES])
    # Bytes move before anybody has said what the files are; both wait with their ends.
    expect(page.get_by_text("Almost there")).to_have_count(2, timeout=60_000)
    context = page.context
    page.close(run_before_unload=False)

    second = context.new_page()
    begun: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST" and request.url.endswith("/api/v1/uploads"):
            begun.append(request.url)

    second.on("request", note)
    second.goto("/upload")
    unfinished = second.get_by_role("region", name=REGION)
    expect(unfinished.get_by_role("listitem")).to_have_count(2)
    unfinished.get_by_label(f"The file {BUNNY.name}").set_input_files(BIKES)
    expect(unfinished.get_by_role("alert")).to_contain_text("is another file")
    unfinished.get_by_label(f"The file {BUNNY.name}").set_input_files(BUNNY)
    second.get_by_role("button", name="Upload", exact=True).click()
    second.get_by_role("link", name="Watch it").wait_for(timeout=180_000)
    assert begun == []

    unfinished.get_by_role("button", name=f"Remove {BIKES.name}").click()
    expect(unfinished).to_be_hidden()
    second.reload()
    expect(second.get_by_role("group", name="Choose video files")).to_be_visible()
    expect(unfinished).to_be_hidden()


def test_many_files_take_one_click_and_each_may_pause(page: Page) -> None:
    join(page, "batcher")
    page.goto("/upload")
    page.get_by_label("Video files", exact=True).set_input_files([BUNNY, BIKES])
    first = page.get_by_role("article").first
    page.get_by_role("button", name="Upload all").click()
    expect(page.get_by_role("link", name="Watch it")).to_have_count(2, timeout=180_000)
    expect(first.get_by_role("heading")).to_be_visible()
    page.goto("/tags")
    expect(page.get_by_role("complementary", name="Uploads")).to_be_hidden()
