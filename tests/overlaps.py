"""What collides in a scene, judged from its data alone, by brute force."""

from itertools import combinations, pairwise

HALF = 0.8  # of an arrow's stroke
HEAD = (9.0, 4.0)  # of an arrow's head: length, half width


def collisions(scene):
    """Every pair of nodes, labels and arrows that touches though it must not; arrows may cross at right angles."""
    nodes, arrows, labels = scene["nodes"], scene["arrows"], scene["labels"]
    found = [("nodes", a["id"], b["id"]) for a, b in combinations(nodes, 2) if touch(a["box"], b["box"])]
    found += [("labels", a["arrow"], b["arrow"]) for a, b in combinations(labels, 2) if touch(a["box"], b["box"])]
    found += [
        ("label on node", label["arrow"], node["id"])
        for label in labels for node in nodes if touch(label["box"], node["box"])
    ]  # fmt: skip
    for arrow in arrows:
        boxes = [*(box for box, _ in strokes(arrow)), head(arrow)]
        found += [
            ("arrow through node", arrow["id"], node["id"])
            for node in nodes
            if node["id"] not in (arrow["source"], arrow["target"]) and any(touch(box, node["box"]) for box in boxes)
        ]
        found += [
            ("label on arrow", label["arrow"], arrow["id"])
            for label in labels if any(touch(box, label["box"]) for box in boxes)
        ]  # fmt: skip
    for one, other in combinations(arrows, 2):
        for (a, level), (b, also) in ((x, y) for x in strokes(one) for y in strokes(other)):
            if level == also and touch(a, b):
                found.append(("arrows along each other", one["id"], other["id"]))
        if touch(head(one), head(other)):
            found.append(("heads", one["id"], other["id"]))
    return found + outside(scene)


def outside(scene):
    """What lies beyond the edge of the picture."""
    boxes = [(item.get("id", item.get("arrow")), item["box"]) for item in (*scene["nodes"], *scene["labels"])]
    boxes += [(arrow["id"], box) for arrow in scene["arrows"] for box, _ in strokes(arrow)]
    width, height = scene["width"], scene["height"]
    return [("outside", name) for name, box in boxes if min(box[:2]) < 0 or box[2] > width or box[3] > height]


def strokes(arrow):
    """The box of each piece, and whether it is level; a piece is level or upright, nothing else."""
    for (x1, y1), (x2, y2) in pairwise(arrow["points"]):
        assert min(abs(x1 - x2), abs(y1 - y2)) < 0.6, arrow["id"]
        box = min(x1, x2) - HALF, min(y1, y2) - HALF, max(x1, x2) + HALF, max(y1, y2) + HALF
        yield box, abs(y1 - y2) < abs(x1 - x2)


def head(arrow):
    (x1, y1), (x2, y2) = arrow["points"][-2:]
    length, half = HEAD
    dx, dy = (x2 > x1) - (x2 < x1), (y2 > y1) - (y2 < y1)
    if abs(x2 - x1) > abs(y2 - y1):
        return min(x2, x2 - dx * length), y2 - half, max(x2, x2 - dx * length), y2 + half
    return x2 - half, min(y2, y2 - dy * length), x2 + half, max(y2, y2 - dy * length)


def touch(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def unreached(scene):
    """Arrows that do not begin and end at the outline of the nodes that they join."""
    boxes = {node["id"]: node["box"] for node in scene["nodes"]}
    found = []
    for arrow in scene["arrows"]:
        ends = [(arrow["source"], arrow["points"][0])]
        ends += [] if arrow["cut"] else [(arrow["target"], arrow["points"][-1])]
        for name, (x, y) in ends:
            left, top, right, bottom = boxes[name]
            inside = left - 0.1 <= x <= right + 0.1 and top - 0.1 <= y <= bottom + 0.1
            deep = min(x - left, right - x, y - top, bottom - y)
            if not inside or deep > min(right - left, bottom - top) / 4:
                found.append((arrow["id"], name))
    return found
