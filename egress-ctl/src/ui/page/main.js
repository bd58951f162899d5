// The page.

const page = { decides: false, live: null, lookAtFeeds: () => {} };

follow(2000, lookAtOverview);
beginDrops();
page.lookAtFeeds = follow(5000, lookAtFeeds);
beginCatalogue();

// Seconds of a broken link are counted, also where nothing answers.
setInterval(() => {
  if (link.brokenSince !== null) showLink();
}, 1000);
for (const choice of document.querySelectorAll('input[name=by]')) choice.addEventListener('change', showPlots);
$('tables').addEventListener('toggle', () => {
  if ($('tables').open && page.live) showTables(page.live);
});
