/** Facets: how many runs have each value, as bars that filter by it. */

import { element } from "./elements.js";
import { clashingNames, distinctName } from "./fields.js";
import { count } from "./formats.js";

const MOST_VALUES = 8;
const TITLES = {
  status: "Status",
  models: "Models",
  environments: "Environments",
  interactions: "Interactions",
  tags: "Tags",
  finish_reason: "Finish reasons",
};
const FILTER_OF = {
  status: "status",
  models: "model",
  environments: "environment",
  interactions: "interaction",
  tags: "tags",
};

/** A card a facet. `chosen` tells whether a value is filtered by, `choose` is called with a filter, its value and name;
 * without it the bars only count. `clashing` are the names that several environments share. */
export function facetCards(facets, { chosen, choose, clashing }) {
  const names = Object.keys(TITLES).filter((name) => facets[name]?.length);
  const filtering = (name) => (FILTER_OF[name] ? choose : undefined);
  return names.map((name) => card(name, distinct(name, facets[name], clashing), chosen, filtering(name)));
}

/** Return the buckets with labels that differ from each other. */
function distinct(facet, buckets, environments) {
  const clashing = facet === "environments" ? environments : clashingNames(buckets, []);
  const named = ({ id, name }) => (name && id ? distinctName({ id, name }, clashing) : String(name ?? id ?? "none"));
  return buckets.map((bucket) => ({ ...bucket, name: named(bucket) }));
}

function card(facet, buckets, chosen, choose) {
  const most = Math.max(...buckets.map((bucket) => bucket.count));
  const items = buckets.map((bucket) => element("li", {}, bar(facet, bucket, most, chosen, choose)));
  const [first, rest] = [items.slice(0, MOST_VALUES), items.slice(MOST_VALUES)];
  return element(
    "section",
    { class: "card facet", "aria-label": TITLES[facet] },
    element("h3", {}, TITLES[facet]),
    element("ul", {}, first),
    rest.length > 0 &&
      element("details", { "data-key": facet }, element("summary", {}, `${rest.length} more`), element("ul", {}, rest)),
  );
}

function bar(facet, bucket, most, chosen, choose) {
  const fill = element("span", { class: "fill", "aria-hidden": "true" });
  fill.style.inlineSize = `${(100 * bucket.count) / most}%`;
  const { name } = bucket;
  const parts = [fill, element("span", { class: "name", title: name }, name), element("span", {}, count(bucket.count))];
  const filter = FILTER_OF[facet];
  if (!choose || bucket.id === undefined) return element("div", { class: "facet-bar" }, parts);
  return element(
    "button",
    {
      type: "button",
      class: "facet-bar",
      "data-key": `${filter} ${bucket.id}`,
      "aria-pressed": String(chosen(filter, bucket.id, name)),
      click: () => choose(filter, bucket.id, name),
    },
    parts,
  );
}
