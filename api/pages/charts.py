"""Charts as SVG, drawn by pygal; colours and type come from the page's own style."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup

from api.catalog.statistics import Bin, DayItems

_SVG = "http://www.w3.org/2000/svg"
_SIZE = {"width": 760, "height": 260}
_OPTIONS: Mapping[str, Any] = {
    "js": (),  # pygal's own default is a script from another host
    "css": (),
    "margin": 8,
    "spacing": 12,
    "legend_at_bottom": True,
    "legend_box_size": 10,
    "show_x_guides": False,
    "truncate_legend": -1,
    "value_formatter": lambda value: f"{value:,.0f}",
}


def days_chart(days: Sequence[DayItems]) -> Markup:
    """Items a day, one colour a collection."""
    import pygal  # a tenth of a second, which the service's start does not wait for

    chart = pygal.StackedBar(**_OPTIONS, **_SIZE)
    chart.x_labels = [str(day.day.day) for day in days]
    for collection in sorted({name for day in days for name in day.collections}):
        chart.add(collection, [day.collections.get(collection, 0) for day in days])
    chart.y_labels = _steps(max(day.items for day in days))
    total, most = sum(day.items for day in days), max(days, key=lambda day: day.items)
    told = f"{total:,} items on {sum(day.items > 0 for day in days)} of {len(days)} days; most, {most.items:,}, on {most.day}."
    return _drawn(chart, "Items a day for each collection", told)


def cloud_chart(bins: Sequence[Bin]) -> Markup:
    """Items by percent of cloud cover."""
    import pygal

    chart = pygal.Bar(**{**_OPTIONS, "show_legend": False}, **_SIZE)
    chart.x_labels = [f"{bin_.low:.0f} to {bin_.high:.0f}" for bin_ in bins]
    chart.add("items", [bin_.items for bin_ in bins])
    chart.y_labels = _steps(max(bin_.items for bin_ in bins))
    most = max(bins, key=lambda bin_: bin_.items)
    told = f"Most items, {most.items:,}, have {most.low:.0f} to {most.high:.0f} percent."
    return _drawn(chart, "Items by percent of cloud cover", told)


def _steps(most: int) -> list[int]:
    """Whole numbers for the axis, about five, in steps of 1, 2 or 5 times a power of ten."""
    power = 10 ** max(len(str(max(most, 1) // 5)) - 1, 0)
    step = next(step * power for step in (1, 2, 5, 10) if step * power * 5 >= most)
    return list(range(0, most + step, step))


def _drawn(chart: Any, title: str, description: str) -> Markup:
    """The chart's SVG with words for those who do not see it, and without anything that the page's policy forbids."""
    root = chart.render_tree()
    name = f"chart-{chart.uuid}"
    for parent in list(root.iter()):
        for child in list(parent):
            _plain(parent, child)
        parent.attrib.pop("style", None)
    for tag, text in (("desc", description), ("title", title)):
        element = ElementTree.Element(tag, {"id": f"{name}-{tag}"})
        element.text = text
        root.insert(0, element)
    root.attrib |= {
        "class": "chart",
        "xmlns": _SVG,
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-desc",
        "preserveAspectRatio": "xMidYMid meet",
    }
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704  text is escaped by ElementTree


def _plain(parent: Any, child: Any) -> None:
    """A value becomes a title, which browsers show; scripts, styles, comments and pygal's own data go."""
    if not isinstance(child.tag, str) or child.tag in ("script", "style"):
        parent.remove(child)
    elif child.tag == "desc":
        if child.get("class") == "value":
            child.tag, child.attrib = "title", {}
        else:
            parent.remove(child)
