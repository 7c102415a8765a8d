"""Latent Space Explorer: one page that opens a trained autoencoder and walks through its latent space.

Run it with ``streamlit run streamlit_app.py``. Read it from top to bottom: a function for each section, in the order of
the list, each with its controls, one computation and its pictures; then the page.
"""

from __future__ import annotations

import os
from functools import partial

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before torch: sessions share the cores, and threads would fight over them


import numpy as np
import streamlit as st

from latent import (
    arrow,
    charts,
    clustering,
    codes,
    directions,
    encoded,
    images,
    interpolation,
    sampling,
    shelf,
    traversal,
)
from latent.density import Density
from latent.measure import properties, scores
from latent.measure.evidence import N_SHOWN, SEED, Evidence
from latent.page import cached
from latent.page.choose import (
    choose_code,
    choose_direction,
    choose_sampler,
    choose_scale_and_seed,
    choose_seed,
)
from latent.page.controls import NUMBER_WIDTH, choose_number, controls
from latent.page.panels import (
    arithmetic,
    canvas,
    cluster_members,
    code_map,
    codes_file,
    custom_vector,
    distributions,
    findings,
    live_decoder,
    many_codes,
    model_file,
    overview,
    own_image,
    paths,
    reading,
    real_and_generated,
    runs,
    samplers,
    selected,
    sweep,
    topics,
    walk,
)
from latent.page.panels.class_signal import show_class_signal
from latent.page.panels.film import show_films
from latent.page.panels.zoo import show_zoo
from latent.page.sections import Page
from latent.page.show import (
    columns_for,
    lazy_expander,
    let_first_be_drawn,
    show_chart,
    show_code_chart,
    show_codes,
    show_rows,
    show_support,
    side_by_side,
)
from latent.page.snippet import from_project, literal, snippet
from latent.page.state import state
from latent.page.take_away import take_away
from latent.space import LatentSpace
from latent.statistics import LatentStatistics

page = Page()


@page.section("Overview", group="read")
def overview_section(space: LatentSpace) -> None:
    """The model at a glance."""
    model_file.show_file(space, explained=False)
    evidence = cached.evidence_of(space)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if not space.signature.has_encoder:
            shown = model_file.show_draws(space, 0, 10)
        else:
            shown = overview.show_reconstructions(space)
            overview.show_samples(space, evidence)
    let_first_be_drawn()  # before the map, which needs the codes of all images
    with right:
        overview.show_map(space)
    overview.show_foremost(evidence)
    handout = None if evidence.missing() else partial(findings.offer_handout, evidence)
    take_away(space, shown.python, shown.arrays, png=shown.png, beside=handout)


@page.section("Model", group="read")
def model_section(space: LatentSpace) -> None:
    """What the file contains and how well the model reconstructs."""
    model_file.show_file(space)
    with controls():
        n = choose_number("Images", 5, 30, 15, len(space.images), key="model_digits")
        most = len(space.images) - n
        first = st.number_input("First image", 0, most, 0, key="model_first", bind="query-params") if most else 0

    show = model_file.show_reconstructions if space.signature.has_encoder else model_file.show_draws
    shown = show(space, first, n)
    if space.checkpoint.described:
        reading.show_description(space)
    elif space.checkpoint.scored:
        reading.show_reading(space)
    let_first_be_drawn()  # and also before Altair and pandas are loaded, on a server that has just started
    history = space.checkpoint.history
    if history:
        st.subheader("Training")
        show_chart("Training and test loss per epoch", charts.history_chart, history)
    take_away(space, shown.python, shown.arrays, png=shown.png, csv=(lambda: history) if history else None)


@page.section("Statistics", group="read", needs="encoder")
def statistics_section(space: LatentSpace) -> None:
    """Distribution of each dimension; which are active."""
    with controls():
        file = codes_file.choose_codes(space)
        n = len(space.images)
        if file is None:
            n = choose_number("Images to encode", min(1000, n), n, n, n, key="statistics_images", step=min(1000, n))

    z = space.z[:n] if file is None else cached.sample_of(file)
    found = cached.statistics_of(space, n) if file is None else file.statistics
    active = cached.evidence_of(space).active()

    distributions.show_active(space, found, active)
    if file is not None:
        codes_file.describe_codes(file, len(z))
    distributions.show_distributions(space, partial(cached.distribution_chart, space, n, file), len(z))
    density = codes_file.show_density(file) if file is not None and file.latent_dim > 1 else None
    table = distributions.show_numbers(found, active)
    given = snippet(f"z = space.z[:{n}]\nstatistics = LatentStatistics.of(z)\n", LatentStatistics)
    if file is not None:
        opened = f"file = encoded.Encoded.open({from_project(file.path)!r})"
        given = snippet(f"{opened}\nz, statistics = file.sample(), file.statistics\n", encoded)
    python = snippet(
        f"{given}mean, std = statistics.mean, statistics.std\n"
        f"quantiles = statistics.quantiles\nactive = Evidence.of(space).active()",
        given,
        Evidence,
    )
    arrays = {"z": z, "mean": found.mean, "std": found.std, "quantiles": found.quantiles, "active": active}
    if density is not None:
        python = snippet(f"{python}\ndensity = Density.of(file).counts", python, Density)
        arrays["density"] = density.counts
    take_away(space, python, arrays, csv=lambda: table)


@page.section("Map", group="read")
def map_section(space: LatentSpace) -> None:
    """All codes at a glance. Click a point to inspect it, drag to select."""
    with controls():
        file = codes_file.choose_codes(space, "map_codes") if space.latent_dim > 1 else None
        if file is None:
            shown = code_map.choose_projection(space)
            colouring = code_map.choose_colouring(space)
            selected.offer_search(space, colouring)
            tiles = code_map.choose_tiles(space) if shown.is_plane else 0

    if file is not None:
        many_codes.show_codes_of(space, file)
        return
    if growing := shown.growing(space):
        code_map.show_growing(space, shown, colouring, growing)
        return
    code_map.take_old_box(space, shown)
    dot, at = shown.clicked(space)
    drawn = code_map.map_data(space, shown, colouring, tiles) | {"chosen": dot, "at": at.tolist()}
    code_map.show_clicked(space, shown, drawn)


@page.section("Clusters", group="read", needs="encoder")
def clusters_section(space: LatentSpace) -> None:
    """Unsupervised clusters compared with the true classes."""
    with controls():
        method = st.radio(
            "Method", clustering.METHODS, key="clusters_method", bind="query-params", horizontal=True,
            help="\n".join(f"- **{name}**: {text}" for name, text in clustering.HELP.items()),
        )  # fmt: skip
        n = choose_number("Clusters", 1, 50, clustering.usual_number(space.classes), len(space.z), key="clusters_n")
        seed = choose_seed("clusters_seed", text=None)

    found = cached.clusters_of(space, method, n, seed)
    match, centroids, icons = cached.portraits_of(space, method, n, seed)

    if space.has_classes:
        cluster_members.show_match(match)
    left, right = st.columns([3, 2])
    with right:
        sheet = cluster_members.show_members(space, found, match, centroids)
    with left:
        cluster_members.show_sizes(space, found, match, icons)
    signal = show_class_signal(space)
    arrays = {"labels": found.labels, "centroids": centroids}
    lines = (
        f"clusters = Evidence.of(space).clusters({method!r}, {n}, {seed})\n"
        "labels, centroids = clusters.labels, space.decode(clusters.centres)"
    )
    if space.has_classes:
        arrays["table"] = match.table
        lines += "\nmatch = clustering.Match.of(clusters.labels, space.labels)\ntable = match.table"
    take_away(
        space, snippet(lines, Evidence, clustering), arrays, png=sheet.png, csv=(lambda: signal) if signal else None
    )


@page.section("Generate", group="sample")
def generate_section(space: LatentSpace) -> None:
    """Images decoded from random codes."""
    with controls():
        drawn = choose_sampler(space, "generate", "learned")
        n = st.slider("Samples", 1, 100, 36, key="generate_pictures", bind="query-params")
        scale, seed = choose_scale_and_seed("generate")

    z = sampling.sample(drawn.sampler, n, scale=scale, seed=seed)
    pictures = cached.pictures_of(space, z)

    table = {"sample": np.arange(1, n + 1)} | {f"dim {d}": z[:, d] for d in range(space.latent_dim)}
    sheet = images.sheet(pictures, columns_for(n), zoom=3)
    left, right = st.columns([3, 2])
    with left:
        names = [f"sample {i + 1}" for i in range(n)]
        show_codes("generate_grid", space, sheet, z, names, f"{n} samples", stretch=n >= 25)
    with right:
        st.markdown("**Codes**")
        rows, reach = charts.codes_rows(z), charts.reach_of(z)
        show_rows(f"Heat map of the {n} codes", charts.codes_chart, rows, reach=reach)
        if numbers := lazy_expander("Numbers", "generate_numbers"):
            numbers.dataframe(arrow.to_table(table), alt="The codes as numbers")
    python = snippet(
        f"z = sampling.sample({drawn.python}, {n}, scale={scale}, seed={seed})\npictures = space.decode(z)",
        sampling, drawn.python,
    )  # fmt: skip
    take_away(space, python, {"z": z, "pictures": pictures}, png=sheet.png, csv=lambda: table)


@page.section("Sampler lab", group="sample")
def samplers_section(space: LatentSpace) -> None:
    """Samplers compared on quality, coverage and novelty."""
    with controls():
        n = st.slider("Samples per sampler", 5, N_SHOWN, 20, 5, key="samplers_pictures", bind="query-params")
        text = "Change it to see how much scores vary."
        seed = choose_seed("samplers_seed", SEED, text)

    evidence = cached.evidence_of(space)
    if evidence.size_refusal:
        st.info(evidence.size_refusal)
        return
    topics.have_judge(evidence)
    if why := samplers.why_not_measured(evidence):
        samplers.show_unjudged(space, evidence, why, n, seed)
        return
    shown, table = samplers.show_measured(space, evidence, n, seed)
    drawn = {name: each.z[:n] for name, each in shown.items() if name in evidence.samplers}
    python = samplers.samplers_python(drawn, f"len(held_out), seed={seed})[:{n}]")
    take_away(
        space, python, drawn, csv=lambda: table,
        png=lambda: images.rows_sheet([each.pictures[:n] for each in shown.values()], 2).png(),
    )  # fmt: skip


@page.section("Real vs generated", group="sample", needs="encoder")
def real_section(space: LatentSpace) -> None:
    """Samples beside their nearest test images: mode collapse, copying."""
    with controls():
        of_class = real_and_generated.choose_class_or_all(space)
        drawn = choose_sampler(space, "compare", "learned", of_class)
        among = np.arange(len(space.images)) if of_class is None else np.flatnonzero(space.labels == of_class)
        n = choose_number("Images", 1, 100, 36, len(among), key="compare_pictures")
        scale, seed = choose_scale_and_seed("compare")

    rows = np.random.default_rng(seed).choice(among, n, replace=False)
    z = sampling.sample(drawn.sampler, n, scale=scale, seed=seed)
    generated, nearest = cached.pictures_of(space, z), space.nearest(z)[:, 0]

    real_and_generated.show_grids(space, rows, z, generated)
    let_first_be_drawn()
    pairs = real_and_generated.show_pairs(space, z, generated, nearest)
    among_python = "len(space.images)" if of_class is None else f"np.flatnonzero(space.labels == {of_class})"
    python = snippet(
        f"rows = np.random.default_rng({seed}).choice({among_python}, {n}, replace=False)\nreal = space.images[rows]\n"
        f"z = sampling.sample({drawn.python}, {n}, scale={scale}, seed={seed})\n"
        "generated = space.decode(z)\nnearest = space.images[space.nearest(z)[:, 0]]",
        np, sampling, drawn.python,
    )  # fmt: skip
    arrays = {"real": space.images[rows], "z": z, "generated": generated, "nearest": space.images[nearest]}
    take_away(space, python, arrays, png=pairs.png)


@page.section("Live", group="move", needs="encoder")
def live_section(space: LatentSpace) -> None:
    """Move a slider or point; the image follows at once."""
    code = live_decoder.show_live(space)
    if space.checkpoint.sha256 in state().codes:
        state().run.link["custom"] = [shelf.vector_to_text(code)]
    st.caption(
        "Double-click a slider to reset it. Play interpolates through the shelf (two or more codes). The code "
        "chosen here is the “custom vector” of the other sections."
    )
    picture = space.decode(code)
    written = literal(code)
    python = snippet(f"z = {written}\npicture = space.decode(z)", written)
    take_away(space, python, {"z": code, "picture": picture}, png=images.sheet(picture, 1, zoom=8).png)


@page.section("Custom vector", group="move")
def custom_section(space: LatentSpace) -> None:
    """Decode a code you type, paste or edit."""
    with controls():
        base = custom_vector.choose_start(space)
        if st.button("Reset", key="custom_back"):
            st.session_state["custom_numbers"] = codes.text_of(base)

    code = custom_vector.enter_code(space, base)
    picture = space.decode(code)

    table = {"dimension": np.arange(space.latent_dim), "value": code.astype(np.float64)}
    sheet = images.sheet(picture, 1, zoom=8)
    left, right = st.columns([1, 2])
    with left:
        show_codes("custom_grid", space, sheet, code[None], ["custom vector"], "Decoded image of the code")
        show_support(space, code)
        if space.signature.has_encoder:
            custom_vector.show_nearest(space, code)
    with right:
        show_code_chart(space, code, f"The code as bars over the range of the {space.codes_noun}")
        st.caption(f"Grey: 1st–99th percentile of the {space.codes_noun}, per dimension.")
        custom_vector.edit_as_table(code, table)
    written = literal(code)
    python = snippet(f"z = {written}\npicture = space.decode(z)", written)
    take_away(space, python, {"z": code, "picture": picture}, png=sheet.png, csv=lambda: table)


@page.section("Draw", group="move", needs="encoder")
def draw_section(space: LatentSpace) -> None:
    """Encode and reconstruct an image of your own."""
    if not space.dataset.ships:  # a drawing would be brought to what MNIST's images look like
        with controls():
            own = own_image.choose_image_file(space)
        if own is not None:
            own_image.show_own(space, own)
        return
    with controls():
        width = st.slider("Pen width", 8, 40, 22, key="draw_width", bind="query-params", help="Width in canvas pixels.")
        kinds = ["png", "jpg", "jpeg", "webp", "bmp"]
        st.file_uploader("Photo of a digit", type=kinds, key="draw_photo", on_change=canvas.take_photo)

    text = canvas.drawing_in_use()
    cells = side_by_side()
    with cells.container(width=canvas.CANVAS):
        canvas.show_surface(text, width)
    with cells.container(width="stretch"):
        canvas.show_drawing(space, text)


@page.section("Dimensions", group="move")
def dimensions_section(space: LatentSpace) -> None:
    """Change one dimension, keep the others fixed."""
    dimensions, effects = space.statistics.most_spread(charts.MOST_PANELS), cached.dimension_effects(space)
    order = dimensions[np.argsort(-effects, kind="stable")]
    with controls():
        text = "Ordered by effect on the image."
        dimension = st.selectbox(
            "Dimension", order.tolist(), key="dimensions_dimension", bind="query-params", help=text,
            width=NUMBER_WIDTH,
        )  # fmt: skip
        low, high = sweep.choose_range(space, dimension)
        n_steps = st.slider("Steps", 3, 30, 11, key="dimensions_steps", bind="query-params")
        base = choose_code(space, "dimensions", "Base")

    values = np.linspace(low, high, n_steps)
    z = traversal.traverse(base.code, dimension, values)
    decoded = cached.pictures_of(space, np.concatenate([z, base.code[None]]))
    strip, of_base = decoded[:-1], decoded[-1]

    sheet = sweep.show_sweep(space, dimension, values, z, strip, of_base, base)
    st.subheader("Dimensions by effect on the image")
    show_chart("Effect of each dimension on the image", charts.effects_chart, dimensions, effects, dimension)
    sweep.show_overview(space, base.code, order)
    python = snippet(
        f"base = {base.python}\nvalues = np.linspace({low}, {high}, {n_steps})\n"
        f"z = traversal.traverse(base, {dimension}, values)\npictures = space.decode(z)",
        np, traversal, base.python,
    )  # fmt: skip
    take_away(
        space, python, {"z": z, "pictures": strip}, png=sheet.png, gif=lambda: images.gif_bytes(strip),
        csv=lambda: {"dimension": dimensions, "effect": effects},
    )  # fmt: skip


@page.section("Directions", group="move")
def directions_section(space: LatentSpace) -> None:
    """How a property, such as thickness, changes along a direction."""
    with controls():
        direction = choose_direction(space)
        text = "1 = from one group mean to the other."
        reach = st.slider("Range", 0.5, 5.0, 2.0, 0.5, key="directions_reach", bind="query-params", help=text)
        n_steps = st.slider("Steps", 3, 21, 11, 2, key="directions_steps", bind="query-params")
        base = choose_code(space, "directions", "Base")

    steps = np.linspace(-reach, reach, n_steps)
    z = directions.walk(base.code, direction.code, steps)
    pictures = cached.pictures_of(space, z)

    strip, (left, right) = st.container(), st.columns([1, 2])
    with left:
        at = walk.choose_place(reach)
    with strip:
        sheet = walk.show_walk(space, base, direction, steps, z, pictures, at)
    with left:
        walk.offer_direction(space, direction)
    with right:
        measured = walk.measure_property(space, direction, steps, pictures)
        walk.show_property(steps, measured)
    python = snippet(
        f"base = {base.python}\ndirection = {direction.python}\n"
        f"z = directions.walk(base, direction, np.linspace({-reach}, {reach}, {n_steps}))\npictures = space.decode(z)\n"
        f"measured = properties.PROPERTIES[{measured.name!r}].measure(pictures)",
        np, directions, properties, base.python, direction.python,
    )  # fmt: skip
    arrays = {"direction": direction.code, "z": z, "pictures": pictures, "measured": measured.values}
    table = {"step": steps, measured.name: measured.values, "mean over 50": measured.crowd}
    gif = lambda: images.gif_bytes(pictures)  # noqa: E731
    take_away(space, python, arrays, png=sheet.png, csv=lambda: table, gif=gif)


@page.section("Arithmetic", group="move")
def arithmetic_section(space: LatentSpace) -> None:
    """Add, subtract and average codes."""
    cells = arithmetic.row_of_cells()
    operation, operands = arithmetic.choose_operands(space, cells)

    result = operation.operate(*(operand.code for operand in operands.values()))
    z = np.stack([*(operand.code for operand in operands.values()), result])
    pictures = cached.pictures_of(space, z)

    names = [*(f"{letter}: {operand.name}" for letter, operand in operands.items()), f"= {operation.formula}"]
    arithmetic.show_terms(space, cells, names, z, pictures)
    show_support(space, result)
    letters = ", ".join(operands).lower()
    lines = [f"{letter.lower()} = {operand.python}" for letter, operand in operands.items()]
    lines += [
        f"result = interpolation.{operation.operate.__name__}({letters})",
        f"z = np.stack([{letters}, result])",
        "pictures = space.decode(z)",
    ]
    python = snippet("\n".join(lines), np, interpolation, *(operand.python for operand in operands.values()))
    png = lambda: images.sheet(pictures, len(z), zoom=6).png()  # noqa: E731
    take_away(space, python, {"z": z, "pictures": pictures}, png=png)


@page.section("Interpolate", group="move")
def interpolate_section(space: LatentSpace) -> None:
    """Linear and spherical paths between two codes."""
    with controls():
        start = choose_code(space, "interpolate_from", "From", of_class=2)
        n_steps = st.slider("Steps", 3, 30, 12, key="interpolate_steps", bind="query-params")
        end = choose_code(space, "interpolate_to", "To", of_class=4)

    codes_of = {name: interpolation.path(start.code, end.code, n_steps, name) for name in interpolation.PATHS}
    decoded = cached.pictures_of(space, np.concatenate(list(codes_of.values())))
    strips = dict(zip(codes_of, np.split(decoded, len(codes_of))))
    changes = paths.changes_of(strips)

    paths.show_paths(space, start, end, codes_of, strips)
    kind = paths.show_movement(strips, changes)
    take_away(
        space, paths.paths_python(start, end, n_steps), dict(strips), csv=lambda: changes,
        png=lambda: images.rows_sheet(list(strips.values()), zoom=4).png(), gif=lambda: images.gif_bytes(strips[kind]),
    )  # fmt: skip


@page.section("Diagnose", group="judge", needs="encoder")
def diagnose_section(space: LatentSpace) -> None:
    """Findings, each with its number and figure."""
    evidence = cached.evidence_of(space)
    left, right = st.columns([3, 5], gap="medium")
    place = left.empty()
    findings.show_first(place, evidence)
    with right:
        topics.show_chosen(space)
    let_first_be_drawn()  # and the findings after it
    findings.measure_and_show(place, evidence)
    findings.bring_asked_for()


@page.section("Compare runs", group="judge")
def runs_section(space: LatentSpace) -> None:
    """Two models side by side; all on the same metrics."""
    other, rows = runs.choose_run(space)
    if other is None:
        show_films([space])
        show_zoo([space])
        return
    both = cached.comparison_of(space, other)
    st.text(f"A: {space.name}\nB: {other.name}")

    same = runs.show_same_images(both, rows) if both.encodes else runs.say_why_not()
    let_first_be_drawn()  # before the maps, and all that does not change with the images shown
    st.subheader("Scores")
    runs.say_gates(both)
    table, ask = st.empty(), st.empty()
    numbers = runs.draw_scores(table, both)
    if meanings := lazy_expander("Definitions", "runs_meanings"):
        meanings.markdown("\n".join(f"- **{score.name}**: {score.means}" for score in scores.SCORES.values()))
    shared = runs.show_codes_of_both(both, rows, same) if both.encodes else {}
    numbers = runs.measure_scores(table, ask, both, numbers)
    show_films([space, other])
    show_zoo([space, other])
    parameters = [scores.score(each, "parameters") for each in (both.a, both.b)]
    arrays = same.arrays | shared | {"parameters": parameters}
    take_away(space, runs.runs_python(both, rows), arrays, png=same.png, csv=lambda: numbers)


page.show()
