/** A job as server-sent events, read from a stream so that the key goes in a header and not into the address. */
import { Problem, send } from "./api.js";

const LONGEST_PAUSE = 10_000;

/**
 * Follow a job until it is over; a stream that breaks is taken up where it was.
 * @param {string} jobId
 * @param {(name: "structure"|"job"|"end", data: any) => void} onEvent
 * @param {AbortSignal} signal
 * @throws {Problem} the job cannot be followed
 */
export async function followJob(jobId, onEvent, signal) {
  let last = 0;
  let pause = 500;
  while (!signal.aborted) {
    try {
      const response = await send(`jobs/${jobId}/events`, { headers: { Accept: "text/event-stream", "Last-Event-ID": String(last) }, signal });
      for await (const event of readEvents(response.body)) {
        last = event.id ?? last;
        pause = 500;
        onEvent(event.name, event.name === "end" ? event.data : JSON.parse(event.data));
        if (event.name === "end") return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status !== 503) throw error;
      pause = Math.min(2 * pause, LONGEST_PAUSE);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/**
 * The events of a stream; comments are passed over.
 * @param {ReadableStream<Uint8Array>} body
 */
export async function* readEvents(body) {
  let rest = "";
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const event = readEvent(block);
      if (event.data !== null) yield event;
    }
  }
}

function readEvent(block) {
  const event = { name: "message", id: null, data: null };
  for (const line of block.split("\n")) {
    const [, field, text] = line.match(/^(\w*): ?(.*)$/) ?? [];
    if (field === "event") event.name = text;
    else if (field === "id") event.id = Number(text);
    else if (field === "data") event.data = event.data === null ? text : `${event.data}\n${text}`;
  }
  return event;
}
