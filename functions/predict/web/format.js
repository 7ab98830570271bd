// Numbers and times in words.

/** 0.9785 -> "97.9%"; "–" for none. Only what is certain is 100%, only what cannot be 0%. */
export function percent(share, digits = 1) {
  if (share == null) return "–";
  const least = 10 ** -digits;
  if (share > 0 && 100 * share < least / 2) return `<${least}%`;
  if (share < 1 && 100 * share > 100 - least / 2) return `>${(100 - least).toFixed(digits)}%`;
  return `${(100 * share).toFixed(digits)}%`;
}

/** Seconds as a reader wants them: "0.42 s", "12.4 s", "3:05", "2:03:05". */
export function seconds(value) {
  if (value == null) return "–";
  if (value < 1) return `${value.toFixed(2)} s`;
  if (value < 60) return `${Number(value.toFixed(1))} s`;
  const whole = Math.floor(value);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** "0–4 s", "58 s – 1:02", "0 – 4:00". */
export function stretch(from, to) {
  return to < 60
    ? `${Number(from.toFixed(1))}–${Number(to.toFixed(1))} s`
    : `${from ? seconds(from) : "0"} – ${seconds(to)}`;
}

/** 440 -> "440 Hz", 8000 -> "8 kHz". */
export function hertz(value) {
  return value < 1000 ? `${Math.round(value)} Hz` : `${Number((value / 1000).toFixed(1))} kHz`;
}

/** Bytes: "312 kB", "4.4 MB". */
export function bytes(value) {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (value >= size) return `${Number((value / size).toFixed(value < 10 * size ? 1 : 0))} ${unit}`;
  }
  return `${value} B`;
}

/** 1 -> "1 sample", 4 -> "4 samples". */
export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString()} ${number === 1 ? one : many}`;
}

/** An ISO 8601 time as the reader's clock has it: "21 Nov, 10:15". */
export function moment(text) {
  if (!text) return "–";
  return new Date(text).toLocaleString(undefined, {
    day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
  });
}

/** An ISO 8601 time to the second: "21 Nov, 10:15:00". */
export const exactly = (text) => new Date(text).toLocaleString(undefined, {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
});

/** The file's name in the key of an object: "recordings/ridge/a.wav" -> "a.wav". */
export const fileName = (key) => key.split("/").at(-1);

/** A label as words: "gun_shot" -> "gun shot". */
export const words = (label) => label.replaceAll("_", " ");
