/** Energy against volume; of what is no crystal, in the order of the samples. */
import { layOutAxes, rangeOf, robustRangeOf } from "./axes.js";
import { energyName } from "./format.js";
import { Plot } from "./plot.js";
import { describePoint } from "./points.js";

const VOLUME = { title: "Volume, Å³/atom", of: (point) => point.volume, say: (volume) => `${volume.toFixed(1)} Å³/atom` };
const SAMPLE = { title: "Sample", of: (point) => Number(point.id.split("-").at(-1)), say: (n) => `sample ${n}` };

/**
 * @param {{energyKind: string, isOfCrystals: boolean, onPick: (id: string) => void}} options
 * @returns {{element: HTMLElement, show: (points: import("./points.js").Point[]) => void, select: (id: string|null) => void, close: () => void}}
 */
export function createScatter({ energyKind, isOfCrystals, onPick }) {
  const abscissa = isOfCrystals ? VOLUME : SAMPLE;
  let ranges = axesOf([], abscissa, energyKind);
  const byId = new Map();
  const plot = new Plot({
    label: `Energy against ${isOfCrystals ? "volume" : "sample"}`,
    describe: (mark) => `${describePoint(byId.get(mark.id), energyKind)}, ${abscissa.say(mark.x)}`,
    onPick,
    layOut: (size) => layOutAxes(size, ranges),
  });
  return {
    element: plot.element,
    show(points) {
      byId.clear();
      for (const point of points) byId.set(point.id, point);
      const marks = points.map((point) => ({ id: point.id, kind: point.kind, x: abscissa.of(point), y: point.energy })).filter((mark) => mark.x !== null);
      ranges = axesOf(marks, abscissa, energyKind);
      plot.show(marks);
    },
    select: (id) => plot.select(id),
    close: () => plot.close(),
  };
}

function axesOf(marks, { title }, energyKind) {
  const { range, nAbove } = robustRangeOf(marks.map((mark) => mark.y));
  return {
    x: { range: rangeOf(marks.map((mark) => mark.x)), title },
    y: { range, title: energyName(energyKind) },
    note: nAbove ? `${nAbove} above, drawn at the edge` : "",
  };
}
