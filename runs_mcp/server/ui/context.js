/** What the host says of its looks, applied to the page: theme, style variables, safe areas. */

const SIDES = ["top", "right", "bottom", "left"];

/** Fonts are left out: they would have to be loaded from somewhere. */
export function applyContext({ theme, styles, safeAreaInsets }) {
  const { style, dataset } = document.documentElement;
  if (theme === "light" || theme === "dark") {
    style.colorScheme = theme;
    dataset.theme = theme;
  }
  for (const [name, value] of Object.entries(styles?.variables ?? {})) {
    if (name.startsWith("--") && typeof value === "string") style.setProperty(name, value);
  }
  for (const side of SIDES) {
    if (safeAreaInsets?.[side] >= 0) style.setProperty(`--inset-${side}`, `${safeAreaInsets[side]}px`);
  }
}
