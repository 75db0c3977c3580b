"""The images of containers."""

from composer.cli.commands import images
from composer.model.image import Image, ImageConfig
from tests.fakes.supervisor import row


def test_name_and_size() -> None:
    shown = row("web-1", Image="registry.example:5000/app:2")
    value = images.value_of(shown, Image(id=str(shown["ImageID"]), config=ImageConfig(), size=5))
    assert (value["Repository"], value["Tag"], value["Size"]) == ("registry.example:5000/app", "2", 5)


def test_an_image_that_is_gone_has_no_size() -> None:
    assert images.value_of(row("web-1"), None)["Size"] == 0
