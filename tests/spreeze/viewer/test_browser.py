"""The page in a real browser, headless: it loads, frames arrive, and every control acts."""

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from spreeze.run_folder import load_settings
from spreeze.viewer.numbers import RunNumbers
from spreeze.viewer.viewer import Viewer, open_viewer
from spreeze.viewer.weights import FileWeights

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
OPTIONS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-dev-shm-usage")
"""3D without a GPU."""
LIMIT_S = 60.0

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=f"no browser; `apt install chromium` gives {NAMES[0]}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield launched
        launched.close()


class Shown:
    """A viewer of a run that ticks in a thread, and its page."""

    def __init__(self, run: Path, browser: Browser) -> None:
        settings = load_settings(run / "config.yaml")
        files = FileWeights.of(run, settings, 0)
        self.viewer: Viewer = open_viewer(settings, files, RunNumbers(run), "newest", 0, None)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tick)
        self._thread.start()
        self.frames = 0
        self.page: Page = browser.new_page(viewport={"width": 640, "height": 480}, device_scale_factor=0.2)
        self.page.on("websocket", lambda socket: socket.on("framereceived", self._count))
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _tick(self) -> None:
        while not self._stop.is_set():
            self.viewer.tick()

    def _count(self, _: object) -> None:
        self.frames += 1

    def open(self) -> None:
        """Load the page and wait until an episode is played."""
        self.page.goto(self.viewer.address)
        self.page.get_by_text("past episodes", exact=True).wait_for(timeout=1000 * LIMIT_S)
        self.until(lambda: self.length() > 0)

    def length(self) -> int:
        """Steps of the episode as the page says."""
        found = re.search(r"length\s*([\d,]+) steps", self.page.inner_text("body"))
        return int(found[1].replace(",", "")) if found else 0

    def says(self, text: str) -> bool:
        """Whether the page shows a text."""
        return text in self.page.inner_text("body")

    def until(self, what: Callable[[], bool]) -> None:
        """Wait until something is true; the page goes on meanwhile."""
        deadline = time.monotonic() + LIMIT_S
        while not what():
            assert time.monotonic() < deadline, self.page.inner_text("body")
            self.page.wait_for_timeout(50)

    def click(self, name: str) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def choose(self, label: str, value: str) -> None:
        """Choose from a list."""
        self.page.get_by_label(label, exact=True).first.click()
        self.page.get_by_role("option", name=value, exact=True).click()

    def close(self) -> None:
        """End page and viewer."""
        self.page.close()
        self._stop.set()
        self._thread.join()
        self.viewer.close()


@pytest.fixture(scope="module")
def shown(cheetah: Path, browser: Browser) -> Iterator[Shown]:
    """One page for all tests, which take some seconds to load; nothing is played before somebody looks."""
    viewed = Shown(cheetah, browser)
    try:
        time.sleep(1.0)
        assert viewed.viewer.session.episodes == 0
        viewed.open()
        yield viewed
    finally:
        viewed.close()


def test_the_page_loads_and_frames_arrive(shown: Shown) -> None:
    before = shown.frames
    shown.until(lambda: shown.frames >= before + 20)
    scene = {"x": 0.0, "y": 200.0, "width": 280.0, "height": 280.0}
    first = shown.page.screenshot(clip=scene)  # type: ignore[arg-type]
    shown.until(lambda: shown.page.screenshot(clip=scene) != first)  # type: ignore[arg-type]
    assert shown.says("finished") and shown.says("replay ratio") and shown.errors == []


def test_pause_holds_time_step_takes_one_and_play_goes_on(shown: Shown) -> None:
    shown.click("Pause")
    shown.until(lambda: shown.says("paused"))
    held = shown.length()
    shown.page.wait_for_timeout(700)
    assert shown.length() == held
    shown.click("Reset")
    shown.until(lambda: shown.length() == 0)
    shown.click("Step")
    shown.until(lambda: shown.length() == 1)
    shown.click("Play")
    shown.until(lambda: not shown.says("paused") and shown.length() > 5)


def test_a_reset_begins_another_episode(shown: Shown) -> None:
    shown.choose("Speed", "1/8")
    shown.until(lambda: shown.viewer.session.speed == 0.125)
    before = shown.viewer.session.episodes
    shown.click("Reset")
    shown.until(lambda: shown.viewer.session.episodes == before + 1)


def test_the_choice_of_weights_acts(shown: Shown) -> None:
    assert shown.says("\tcheckpoint ")
    shown.choose("Weights", "best")
    shown.until(lambda: shown.says("\tbest ") and not shown.says("\tcheckpoint "))


def test_the_camera_is_let_go(shown: Shown) -> None:
    shown.choose("Camera", "free")
    shown.until(lambda: not shown.viewer.panel.follow)


def test_who_leaves_leaves_time_standing(shown: Shown) -> None:
    shown.page.goto("about:blank")
    shown.until(lambda: not shown.viewer.server.get_clients())
    shown.page.wait_for_timeout(500)
    player = shown.viewer.session.player
    assert player is not None
    held = player.length
    shown.page.wait_for_timeout(500)
    assert player.length == held


def test_pictures_are_shown_of_an_environment_without_mujoco(pendulum: Path, browser: Browser) -> None:
    shown = Shown(pendulum, browser)
    try:
        shown.open()
        picture = shown.page.locator("img[src^=blob]").first
        first = picture.get_attribute("src")
        shown.until(lambda: picture.get_attribute("src") != first)
    finally:
        shown.close()
