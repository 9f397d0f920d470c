"""Charts of a page as Vega-Lite: lines over epochs, curves and dots scrubbed by epoch, differences, fronts and maps.

A chart says how rows are drawn, and holds none: the page gives them by the name "rows". Its fields have names of one or two
letters and its lines have codes, so that no name from a file is ever part of a specification: a (code of the line), label (its
name), e (epoch), v (value), lo, hi (its interval). The page sets three parameters: shown, the codes that are to be seen, epoch,
and room, the pixels that names beside an axis may take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from recsim.errors import RecsimError

if TYPE_CHECKING:
    import altair as alt

Spec = dict[str, Any]

SHAPES = {"o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down", "P": "cross"}
"""Markers of matplotlib, and what Vega calls them."""
MARGIN = 12  # pixels between the outermost marks and the frame, so that a mark lies on no name
INK = "currentColor"  # of the page, light or dark
EXTRA = 'report: altair and vl-convert-python draw its charts and are not there; pip install "recsim-loop[report]"'


class Line(NamedTuple):
    """How what has a code is drawn: colour as #rrggbb, shape as Vega names it, dashes in pixels."""

    code: str
    colour: str
    shape: str
    dashes: tuple[float, ...] = ()


def bundle() -> str:
    """Return the JavaScript that draws charts: Vega, Vega-Lite and Vega-Embed, to be run from within a page.

    Raises RecsimError, with what to install, where it is not there.
    """
    _, vl_convert = _libraries()
    script: str = vl_convert.javascript_bundle()
    return script


def _altair() -> Any:
    """Return the module that draws."""
    return _libraries()[0]


def _libraries() -> tuple[Any, Any]:
    """Return altair, and what bundles its scripts. Raises RecsimError, with what to install, where one is not there."""
    try:
        import altair
        import vl_convert
    except ImportError:
        raise RecsimError(EXTRA) from None
    return altair, vl_convert


# ----------------------------------------------------------------------------------------------------- over the epochs
def lines(
    looks: Sequence[Line], unit: str, top: float | None = None, what: str = "arm", bands: bool = True, floors: bool = True
) -> Spec:
    """Return lines over epochs with markers where m is 1, bands, floors (rows with f = 1) dashed, and a rule at the epoch.

    looks: of the codes. unit: of the values, in our words. top: the upper end of the scale, where it has one. what: a line is, as
    tooltips say it, in our words. bands, floors: whether there are any.
    """
    alt = _altair()
    y = alt.Y("v:Q", title=unit, scale=alt.Scale(zero=True, **({} if top is None else {"domainMax": top})))
    x = alt.X("e:Q", title="epoch", axis=alt.Axis(format="d", tickMinStep=1, grid=False), scale=alt.Scale(nice=False))
    base = _seen().encode(x=x, y=y, color=_colour(looks), detail="a:N")
    plain, floor = base.transform_filter("datum.f != 1"), base.transform_filter("datum.f == 1")
    dashes = _by_code("strokeDash", looks, [list(line.dashes) or [1, 0] for line in looks])
    told = [
        alt.Tooltip("label:N", title=what), alt.Tooltip("e:Q", title="epoch", format="d"), _number("v", "value"),
        *([_number("lo", "from"), _number("hi", "to")] if bands else []),
    ]  # fmt: skip
    parts = [
        *([floor.mark_line(strokeWidth=1.2, strokeDash=[4, 3], opacity=0.9)] if floors else []),
        *([plain.mark_area(opacity=0.16, line=False, clip=True).encode(y=alt.Y("lo:Q", title=unit), y2="hi:Q")] if bands else []),
        plain.mark_line(strokeWidth=1.8).encode(strokeDash=dashes),
        plain.transform_filter("datum.m == 1").mark_point(filled=True, size=34, opacity=1).encode(shape=_shape(looks)),
        _epoch_rule(),
        base.mark_point(filled=True, size=150, opacity=0).encode(tooltip=told),
    ]
    return _finished(alt.layer(*parts), looks, 190)


def curve(looks: Sequence[Line]) -> Spec:
    """Return the Lorenz curves of one epoch beside the diagonal. Rows: x, v from 0 to 1."""
    alt = _altair()
    ends = alt.Scale(domain=[0, 1])
    base = _seen().transform_filter("datum.e == epoch").encode(
        x=alt.X("x:Q", title="share of items, least shown first", scale=ends, axis=alt.Axis(format="%", tickCount=5)),
        y=alt.Y("v:Q", title="share of what they got", scale=ends, axis=alt.Axis(format="%", tickCount=5)),
        color=_colour(looks), detail="a:N",
    )  # fmt: skip
    told = [alt.Tooltip("label:N", title="of what is"), _number("x", "items", ".1%"), _number("v", "have", ".1%")]
    even = alt.Chart(alt.InlineData([{"x": 0, "v": 0}, {"x": 1, "v": 1}])).encode(x="x:Q", y="v:Q")
    parts = [
        even.mark_line(color=INK, strokeWidth=1, strokeDash=[4, 3], opacity=0.6),
        base.mark_line(strokeWidth=1.8, interpolate="linear"),
        base.mark_point(filled=True, size=150, opacity=0).encode(tooltip=told),
    ]
    return _finished(alt.layer(*parts), looks, 260)


def ranks(looks: Sequence[Line], most: int) -> Spec:
    """Return what items got in one epoch by their rank, both on logarithmic scales. Rows: x the rank, v the count."""
    alt = _altair()
    log = alt.Scale(type="log", nice=False)
    base = _seen().transform_filter("datum.e == epoch").encode(
        x=alt.X("x:Q", title="rank of the item", scale=alt.Scale(type="log", domain=[1, max(2, most)], nice=False),
                axis=alt.Axis(format="~s", tickCount=4, grid=False)),
        y=alt.Y("v:Q", title="times in the epoch", scale=log, axis=alt.Axis(format="~s", tickCount=4, grid=False)),
        color=_colour(looks), detail="a:N",
    )  # fmt: skip
    told = [alt.Tooltip("label:N", title="times"), _number("x", "rank", "d"), _number("v", "times", ",")]
    parts = [base.mark_line(strokeWidth=1.8), base.mark_point(filled=True, size=130, opacity=0).encode(tooltip=told)]
    return _finished(alt.layer(*parts), looks, 260)


def plane(looks: Sequence[Line], across: str, up: str, ends: tuple[Sequence[float], Sequence[float]]) -> Spec:
    """Return dots of one epoch in the plane of two metrics, each with the way it has come. Rows: x, v.

    across, up: what the axes are, in our words. ends: of both scales, the same at every epoch.
    """
    alt = _altair()
    base = _seen().encode(
        x=alt.X("x:Q", title=across, scale=alt.Scale(domain=list(ends[0]), nice=False), axis=alt.Axis(tickCount=8)),
        y=alt.Y("v:Q", title=up, scale=alt.Scale(domain=list(ends[1]), nice=False)),
        color=_colour(looks), detail="a:N",
    )  # fmt: skip
    told = [
        alt.Tooltip("label:N", title="arm"), alt.Tooltip("e:Q", title="epoch", format="d"), _number("x", across),
        _number("v", up),
    ]  # fmt: skip
    way = base.transform_filter("datum.e <= epoch")
    here = base.transform_filter("datum.e == epoch")
    parts = [
        way.mark_line(strokeWidth=1.2, opacity=0.45).encode(order="e:Q"),
        here.mark_point(filled=True, size=110, opacity=1).encode(shape=_shape(looks), tooltip=told),
    ]
    return _finished(alt.layer(*parts), looks, 300)


def beside_demand(top: float) -> Spec:
    """Return shares of one epoch, a line a label: a dot what the feed shows, a bar across what people want, and the way between.

    top: the upper end of the scale, the same at every epoch. Rows: e, label, v of the feed, w of demand.
    """
    alt = _altair()
    base = _seen().transform_filter("datum.e == epoch").encode(y=_labels())
    title = "share of impressions, and of interests"
    x = alt.X("v:Q", title=title, scale=alt.Scale(domain=[0, top], nice=True), axis=alt.Axis(format="%", tickCount=5))
    wanted = alt.X("w:Q", title=title)
    told = [
        alt.Tooltip("label:N", title="topic"), alt.Tooltip("e:Q", title="epoch", format="d"), _number("v", "shown", ".1%"),
        _number("w", "wanted", ".1%"),
    ]  # fmt: skip
    parts = [
        base.mark_rule(strokeWidth=1.2, color=INK, opacity=0.5).encode(x=x, x2="w:Q"),
        base.mark_tick(thickness=2, size=13, color=INK, opacity=1).encode(x=wanted),
        base.mark_point(filled=True, size=60, color=INK, opacity=1).encode(x=x),
        base.mark_point(filled=True, size=260, opacity=0).encode(x=x, tooltip=told),
    ]
    return _finished(alt.layer(*parts), (), 260, 19)


def waiting(looks: Sequence[Line]) -> Spec:
    """Return curves of who has not met something yet, with bands. Rows: a, x the days, v, lo, hi from 0 to 1."""
    alt = _altair()
    y = alt.Y("v:Q", title="share of people who have not yet", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%"))
    base = _seen().encode(x=alt.X("x:Q", title="days since they could", axis=alt.Axis(grid=False)), y=y, color=_colour(looks))
    told = [
        alt.Tooltip("label:N", title="of"), _number("x", "days"), _number("v", "have not", ".1%"), _number("lo", "from", ".1%"),
        _number("hi", "to", ".1%"),
    ]  # fmt: skip
    parts = [
        base.mark_area(opacity=0.16, line=False, interpolate="step-after").encode(y=alt.Y("lo:Q", title=""), y2="hi:Q"),
        base.mark_line(strokeWidth=1.8, interpolate="step-after"),
        base.transform_filter("datum.m == 1").mark_point(filled=True, size=34, opacity=1).encode(shape=_shape(looks)),
        base.mark_point(filled=True, size=150, opacity=0).encode(tooltip=told),
    ]
    return _finished(alt.layer(*parts), looks, 260)


# ---------------------------------------------------------------------------------------------------- beside each other
def differences(looks: Sequence[Line], title: str) -> Spec:
    """Return differences with their intervals, a line a label; s = 1 fills the dot. Rows: lo, hi and flo, fhi of the family."""
    alt = _altair()
    base = _seen().encode(y=_labels(), color=_colour(looks))
    sure = alt.condition("datum.s == 1", alt.value(1.0), alt.value(0.0))
    told = [
        alt.Tooltip("label:N", title="arm"), _number("v", "difference", "+.4~g"), _number("lo", "from", "+.4~g"),
        _number("hi", "to", "+.4~g"), _number("p", "p after Holm", ".2~g"),
    ]  # fmt: skip
    x = alt.X("v:Q", title=title, scale=alt.Scale(padding=MARGIN), axis=alt.Axis(tickCount=4))
    parts = [
        _zero(),
        base.mark_rule(strokeWidth=1).encode(x=alt.X("flo:Q", title=title), x2="fhi:Q"),
        base.mark_rule(strokeWidth=3.2).encode(x=alt.X("lo:Q"), x2="hi:Q"),
        base.mark_point(size=60, strokeWidth=1.8, filled=False).encode(
            x=x, shape=_shape(looks), fill=_by_code("fill", looks, [line.colour for line in looks]), fillOpacity=sure,
        ),
        base.mark_point(filled=True, size=260, opacity=0).encode(x=x, tooltip=told),
    ]  # fmt: skip
    return _finished(alt.layer(*parts), looks, 190, 19)


def front(looks: Sequence[Line], across: str, up: str, what: str = "arm") -> Spec:
    """Return dots with intervals in the plane of cost and gain; b = 1 rings what nothing beats in both, with its name beside it.

    Rows: x with xlo and xhi, v with lo and hi; what: what a dot is.
    """
    alt = _altair()
    x = alt.X("x:Q", title=across, scale=alt.Scale(zero=False, padding=MARGIN), axis=alt.Axis(tickCount=8))
    y = alt.Y("v:Q", title=up, scale=alt.Scale(zero=True))
    base, right = _seen().encode(color=_colour(looks)), "scale('x', datum.x) > width / 2"
    told = [
        alt.Tooltip("label:N", title=what), _number("x", "cost"), _number("xlo", "cost from"), _number("xhi", "cost to"),
        _number("v", "gain"), _number("lo", "gain from"), _number("hi", "gain to"),
    ]  # fmt: skip
    parts = [
        base.mark_rule(strokeWidth=1.2, opacity=0.7).encode(x=alt.X("xlo:Q", title=across), x2="xhi:Q", y=y),
        base.mark_rule(strokeWidth=1.2, opacity=0.7).encode(x=x, y=alt.Y("lo:Q", title=up), y2="hi:Q"),
        base.transform_filter("datum.b == 1").mark_point(size=260, strokeWidth=1.4, color=INK, shape="circle").encode(
            x=x, y=y, color=alt.value(INK)),
        base.mark_point(filled=True, size=90, opacity=1).encode(x=x, y=y, shape=_shape(looks), tooltip=told),
        base.transform_filter("datum.b == 1").transform_calculate(short=_both_ends("150")).mark_text(
            baseline="bottom", dy=-9, limit=150, align=alt.expr(f"{right} ? 'right' : 'left'"), dx=alt.expr(f"{right} ? -6 : 6"),
        ).encode(x=x, y=y, text="short:N", color=alt.value(INK)),
    ]  # fmt: skip
    return _finished(alt.layer(*parts), looks, 320)


def levels(title: str, what: str = "level") -> Spec:
    """Return figures with intervals, a line a label; s = 1 fills the dot. Rows: v, lo, hi. what: a label is, in tooltips."""
    alt = _altair()
    base = _seen().encode(y=_labels())
    told = [alt.Tooltip("label:N", title=what), _number("v", "value"), _number("lo", "from"), _number("hi", "to")]
    filled = alt.condition("datum.s == 1", alt.value(1.0), alt.value(0.0))
    parts = [
        _zero(),
        base.mark_rule(strokeWidth=2.2, color=INK).encode(x=alt.X("lo:Q", title=title), x2="hi:Q"),
        base.mark_point(size=60, strokeWidth=1.6, color=INK, fill=INK, opacity=1).encode(
            x=alt.X("v:Q", scale=alt.Scale(padding=MARGIN), axis=alt.Axis(tickCount=4)), fillOpacity=filled,
        ),
        base.mark_point(filled=True, size=260, opacity=0).encode(x="v:Q", tooltip=told),
    ]
    return _finished(alt.layer(*parts), (), 200, 20)


def grid(roomy: bool) -> Spec:
    """Return a map of a figure over the levels of two factors, lightest where it is largest, with a text in each cell.

    Rows: xl, label (levels), v, lo, hi, t (the text, in lines). roomy: whether there are so few levels in the row that all of
    them are named and their texts say enough; else some names are left out, and a scale of shades stands beside the map.
    """
    alt = _altair()
    told = [
        alt.Tooltip("xl:N", title="across"), alt.Tooltip("label:N", title="up"), _number("v", "mean"), _number("lo", "from"),
        _number("hi", "to"),
    ]  # fmt: skip
    base = _seen().transform_joinaggregate(top="max(v)", low="min(v)").encode(
        x=alt.X("xl:N", title=None, sort=None, axis=alt.Axis(
            labelExpr=_both_ends("140"), labelLimit=140, labelAngle=-30, labelOverlap=not roomy)),
        y=_labels(grid=False), tooltip=told,
    )  # fmt: skip
    ink = alt.condition("2 * datum.v > datum.top + datum.low", alt.value("#000000"), alt.value("#ffffff"))
    middle = alt.expr("indexof(datum.t, '\\n') < 0 ? 0 : -6")
    text = base.mark_text(fontSize=11, lineBreak="\n", dy=middle).encode(text="t:N", color=ink)
    scale = None if roomy else alt.Legend(title=None, gradientLength=140)
    return _finished(alt.layer(base.mark_rect().encode(color=_shade(scale)), text), (), 220, 44)


def surface(log: tuple[bool, bool]) -> Spec:
    """Return a map of a surface over two ranges. Rows: x, x2, y, y2 the ends of a tile, v. log: which scales are logarithmic."""
    alt = _altair()
    scales = [alt.Scale(type="log", nice=False) if one else alt.Scale(nice=False, zero=False) for one in log]
    told = [_number("x", "across"), _number("y", "up"), _number("v", "mean")]
    chart = _seen().mark_rect(stroke=None).encode(
        x=alt.X("x:Q", title=None, scale=scales[0], axis=alt.Axis(grid=False)), x2="x2:Q",
        y=alt.Y("y:Q", title=None, scale=scales[1], axis=alt.Axis(grid=False)), y2="y2:Q",
        color=_shade(alt.Legend(title=None, gradientLength=140)), tooltip=told,
    )  # fmt: skip
    return _finished(chart, (), 320)


# ------------------------------------------------------------------------------------------------------- what they share
def _seen() -> Any:
    """Return a chart of the rows whose line is to be seen; rows without a code always are.

    The filter stands here: one on all layers together would not reach those that have data of their own beside them.
    """
    alt = _altair()
    return alt.Chart(alt.NamedData("rows")).transform_filter("!isValid(datum.a) || indexof(shown, datum.a) >= 0")


def _number(name: str, title: str, how: str = ".4~g") -> alt.Tooltip:
    return _altair().Tooltip(f"{name}:Q", title=title, format=how)


def _both_ends(room: str) -> str:
    """Return what is written of a name that may have no room: those that are alike at first often differ at their ends.

    room: in pixels, a number or the name of a parameter.
    """
    half = f"floor({room} / 13)"
    short = f"slice(datum.label, 0, {half}) + '…' + slice(datum.label, 2 - {half})"
    return f"length(datum.label) * 6.2 < {room} ? datum.label : {short}"


def _labels(grid: bool = True) -> alt.Y:
    """Return the axis of names, in the order of the rows; the page says how much room they have."""
    alt = _altair()
    room = alt.ExprRef("room")
    axis = alt.Axis(labelExpr=_both_ends("room"), labelLimit=room, labelPadding=6, domain=False, ticks=False, grid=grid)
    return alt.Y("label:N", title=None, sort=None, axis=axis)


def _by_code(channel: str, looks: Sequence[Line], values: Sequence[Any]) -> Any:
    """Return a channel that goes by the code of a line."""
    alt = _altair()
    kinds = {"color": alt.Color, "strokeDash": alt.StrokeDash, "shape": alt.Shape, "fill": alt.Fill}
    scale = alt.Scale(domain=[line.code for line in looks], range=list(values))
    return kinds[channel]("a:N", scale=scale, legend=None)


def _colour(looks: Sequence[Line]) -> Any:
    return _by_code("color", looks, [line.colour for line in looks])


def _shape(looks: Sequence[Line]) -> Any:
    return _by_code("shape", looks, [line.shape for line in looks])


def _shade(legend: alt.Legend | None) -> alt.Color:
    return _altair().Color("v:Q", scale=_altair().Scale(scheme="cividis", zero=False), legend=legend)


def _zero() -> Any:
    alt = _altair()
    return alt.Chart(alt.InlineData([{"z": 0}])).mark_rule(color=INK, opacity=0.55).encode(x="z:Q")


def _epoch_rule() -> Any:
    alt = _altair()
    at = alt.Chart(alt.InlineData([{}])).mark_rule(color=INK, opacity=0.5, strokeWidth=1)
    return at.encode(x=alt.datum(alt.ExprRef("epoch"), type="quantitative"))


def _finished(chart: Any, looks: Sequence[Line], height: int, step: int = 0) -> Spec:
    """Return a chart as it goes into a page: as wide as its place, without colours of its own for text and axes.

    height: in pixels. step: those of each label, where the page is to set the height by the labels that are to be seen.
    """
    alt = _altair()
    shown = alt.param(name="shown", value=[line.code for line in looks])
    chart = chart.add_params(shown, alt.param(name="epoch", value=0), alt.param(name="room", value=130))
    axis = {
        f"{part}Color": INK for part in ("label", "title", "domain", "tick", "grid")
    } | {"gridOpacity": 0.13, "domainOpacity": 0.5, "tickOpacity": 0.5, "labelFontSize": 11, "titleFontSize": 11,
         "titleFontWeight": "normal", "labelOverlap": True, "labelFlush": False}  # fmt: skip
    config = {
        "background": "transparent", "font": "system-ui, sans-serif", "aria": False, "axis": axis, "view": {"stroke": None},
        "legend": {"labelColor": INK, "titleColor": INK},
    }  # fmt: skip
    spec: Spec = chart.properties(width="container", height=height).to_dict()
    spec["config"] = config
    spec["usermeta"] = {"step": step}
    return spec
