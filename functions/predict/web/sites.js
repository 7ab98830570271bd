// Where sounds come from: the sites of recordings, and the API itself, which is of no site.
import { words } from "./format.js";

/** What was sent to the API bears this in place of a site. */
export const ASKED = "/predict";

/** A site as the beginning of a sentence. */
export const placed = (site) => (site === ASKED ? "What is sent to the API" : words(site));
