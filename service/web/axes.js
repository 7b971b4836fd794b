/** Two straight axes, with ticks where people would put them. */

const LEFT = 70;
const BOTTOM = 40;
const TOP = 14;
const RIGHT = 14;

/**
 * Round numbers that cover a range.
 * @returns {number[]}
 */
export function ticksOf(low, high, n = 5) {
  const rough = (high - low) / n;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * magnitude >= rough) * magnitude;
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) ticks.push(k * step);
  return ticks;
}

/** The range of values with a margin; one of a single value is widened. */
export function rangeOf(values, margin = 0.06) {
  if (!values.length) return [0, 1];
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const width = high - low || Math.abs(high) * 0.1 || 1;
  return [low - margin * width, high + margin * width];
}

/**
 * The range up to a quantile, so that a few far ones do not press all others together; those are counted.
 * @returns {{range: [number, number], nAbove: number}}
 */
export function robustRangeOf(values, quantile = 0.98) {
  if (!values.length) return { range: [0, 1], nAbove: 0 };
  const sorted = values.toSorted((a, b) => a - b);
  const last = sorted[Math.ceil(quantile * (sorted.length - 1))];
  const isSpread = sorted.length > 20 && sorted.at(-1) - sorted[0] > 1.5 * (last - sorted[0]);
  const range = rangeOf(isSpread ? [sorted[0], last] : sorted);
  return { range, nAbove: isSpread ? sorted.filter((value) => value > range[1]).length : 0 };
}

/**
 * A frame with two axes.
 * @param {import("./plot.js").Size} size
 * @param {{x: {range: [number, number], title: string, ticks?: {at: number, text: string}[]}, y: {range: [number, number], title: string}, note?: string, drawBehind?: (context: CanvasRenderingContext2D, toPixel: (x: number, y: number) => [number, number], colours: Record<string, string>) => void}} axes
 * @returns {import("./plot.js").Frame}
 */
export function layOutAxes(size, { x, y, note, drawBehind }) {
  const box = { left: LEFT, right: size.width - RIGHT, top: TOP, bottom: size.height - BOTTOM };
  const toPixel = (a, b) => [
    box.left + ((a - x.range[0]) / (x.range[1] - x.range[0])) * (box.right - box.left),
    Math.max(box.top, box.bottom - ((b - y.range[0]) / (y.range[1] - y.range[0])) * (box.bottom - box.top)),
  ];
  return {
    place: (mark) => toPixel(mark.x, mark.y),
    draw(context, colours) {
      drawGrid(context, box, toPixel, { x, y }, colours);
      drawTitles(context, box, size, { x, y, note }, colours);
      drawBehind?.(context, toPixel, colours);
    },
  };
}

function drawGrid(context, box, toPixel, { x, y }, colours) {
  context.font = "11px system-ui, sans-serif";
  context.lineWidth = 1;
  context.strokeStyle = colours.line;
  context.fillStyle = colours.muted;
  const yTicks = ticksOf(...y.range);
  for (const tick of yTicks) {
    const [, pixel] = toPixel(0, tick);
    line(context, box.left, pixel, box.right, pixel);
    context.textAlign = "right";
    context.fillText(write(tick, yTicks), box.left - 7, pixel + 4);
  }
  const texts = ticksOf(...x.range, Math.max(4, Math.floor((box.right - box.left) / 90)));
  for (const { at, text } of x.ticks ?? texts.map((tick) => ({ at: tick, text: write(tick, texts) }))) {
    const [pixel] = toPixel(at, 0);
    line(context, pixel, box.bottom, pixel, box.bottom + 4);
    context.textAlign = "center";
    context.fillText(text, pixel, box.bottom + 16);
  }
  line(context, box.left, box.bottom, box.right, box.bottom);
}

function drawTitles(context, box, size, { x, y, note }, colours) {
  context.fillStyle = colours.ink;
  context.textAlign = "center";
  context.fillText(x.title, (box.left + box.right) / 2, size.height - 6);
  context.save();
  context.translate(11, (box.top + box.bottom) / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(y.title, 0, 0, box.bottom - box.top);
  context.restore();
  context.fillStyle = colours.muted;
  context.textAlign = "right";
  if (note) context.fillText(note, box.right, box.top - 3);
}

function line(context, x1, y1, x2, y2) {
  context.beginPath();
  context.moveTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
  context.lineTo(Math.round(x2) + 0.5, Math.round(y2) + 0.5);
  context.stroke();
}

function write(tick, ticks) {
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : Math.abs(tick) || 1;
  const digits = Math.max(0, Math.min(6, Math.ceil(-Math.log10(step) - 1e-9) + (/^[25]*25/.test(step.toPrecision(2).replace(/[.0]/g, "")) ? 1 : 0)));
  return tick.toFixed(digits).replace("-", "−");
}
