/** Energy against volume. */
import { layOutAxes, rangeOf, robustRangeOf } from "./axes.js";
import { energyName } from "./format.js";
import { Plot } from "./plot.js";
import { describePoint } from "./points.js";

/**
 * @param {{energyKind: string, onPick: (id: string) => void}} options
 * @returns {{element: HTMLElement, show: (points: import("./points.js").Point[]) => void, select: (id: string|null) => void, close: () => void}}
 */
export function createScatter({ energyKind, onPick }) {
  let points = [];
  let ranges = axesOf([], energyKind);
  const byId = new Map();
  const plot = new Plot({
    label: "Energy against volume",
    describe: (mark) => `${describePoint(byId.get(mark.id), energyKind)}, ${byId.get(mark.id).volume.toFixed(1)} Å³/atom`,
    onPick,
    layOut: (size) => layOutAxes(size, ranges),
  });
  return {
    element: plot.element,
    show(all) {
      points = all.filter((point) => point.volume !== null);
      byId.clear();
      for (const point of points) byId.set(point.id, point);
      ranges = axesOf(points, energyKind);
      plot.show(points.map(({ id, kind, volume, energy }) => ({ id, kind, x: volume, y: energy })));
    },
    select: (id) => plot.select(id),
    close: () => plot.close(),
  };
}

function axesOf(points, energyKind) {
  const { range, nAbove } = robustRangeOf(points.map((point) => point.energy));
  return {
    x: { range: rangeOf(points.map((point) => point.volume)), title: "Volume, Å³/atom" },
    y: { range, title: energyName(energyKind) },
    note: nAbove ? `${nAbove} above, drawn at the edge` : "",
  };
}
