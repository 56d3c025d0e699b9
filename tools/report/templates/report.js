// Adds to a page that is whole without it: tables that sort, pictures that enlarge.
(() => {
  "use strict";

  // A click on a column's title sorts its table; a second one turns the order.
  const numberIn = (cell) => parseFloat((cell.dataset.value || cell.textContent).replace("\u2212", "-"));
  const sort = (table, column, heading) => {
    const down = heading.getAttribute("aria-sort") === "ascending";
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [a.cells[column], b.cells[column]];
      const order = column === 0 ? x.textContent.localeCompare(y.textContent) : numberIn(x) - numberIn(y);
      return down ? -order : order;
    });
    body.append(...rows);
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    if (table.tBodies[0].rows.length < 2) continue;
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => sort(table, column, heading));
    });
  }

  // A picture opens larger; Escape, the button or a click beside it closes it.
  const zoom = document.getElementById("zoom");
  const [large, words, close] = [zoom.querySelector("img"), zoom.querySelector("p"), zoom.querySelector("button")];
  const open = (picture) => {
    large.src = picture.src;
    large.alt = picture.alt;
    words.textContent = picture.alt;
    zoom.showModal();
  };
  close.addEventListener("click", () => zoom.close());
  zoom.addEventListener("click", (event) => { if (event.target === zoom) zoom.close(); });
  for (const picture of document.querySelectorAll(".pictures img")) {
    picture.tabIndex = 0;
    picture.setAttribute("role", "button");
    picture.setAttribute("aria-label", `${picture.alt}; enlarge`);
    picture.addEventListener("click", () => open(picture));
    picture.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      open(picture);
    });
  }
})();
