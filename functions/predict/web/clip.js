// A clip of the API, fetched when it is asked for: played at once, with its picture.
import { ask } from "./api.js";
import { decode } from "./audio.js";
import { html, useEffect } from "./dom.js";
import { seconds } from "./format.js";
import { Trouble, Waiting } from "./parts.js";
import { useOnce } from "./poll.js";
import { SoundView, usePlayer } from "./sound.js";

/** A sound of the API, decoded; or `{ unseen }`, which says why this browser shows none. */
export const useClip = (path) => useOnce(async (signal) => {
  const answer = await ask(path, { signal });
  return decode(await answer.arrayBuffer()).catch((error) => ({ unseen: error.message }));
}, [path]);

/**
 * `path` of the API, for example "/recordings/9b1f/clips/0-4.flac"; `name` says what it is;
 * `segmentsOf(duration)` are marked in it, as SoundView takes them with `look`. Of what lasts `whole`
 * seconds, where that is known, it tells if it has no more than the beginning.
 */
export function Clip({ path, name, height = 120, look, segmentsOf = () => [], whole = 0 }) {
  const { data, problem, again } = useClip(path);
  if (problem) return html`<${Trouble} problem=${problem} again=${again} />`;
  if (!data) return html`<${Waiting} what=${`Fetching ${name}`} />`;
  if (data.unseen) return html`<p class="soft small">${data.unseen}</p>`;
  return html`<${Playing} sound=${data} name=${name} height=${height} look=${look}
      segments=${segmentsOf(data.duration)} />
    ${whole - data.duration > 1 && html`<p class="soft small">The first ${seconds(data.duration)} of ${seconds(whole)}.</p>`}`;
}

function Playing({ sound, ...shown }) {
  const player = usePlayer(sound);
  useEffect(() => player.player.play(), [sound]);
  return html`<${SoundView} sound=${sound} player=${player} ...${shown} />`;
}
