// Documents of the mock server: canonical text, blocks and pages, as docs/rest.md has them.

const size = (text) => Buffer.byteLength(text);

export function buildDocument(title, parts) {
  const document = { title, text: '', blocks: [], pages: [] };
  let last = null;
  let bytes = 0;
  for (const part of parts) {
    if (part.page) {
      document.pages.push({ number: part.page, start: bytes, end: bytes });
      continue;
    }
    const tight = last === part.kind && ['list_item', 'table_row'].includes(part.kind);
    const gap = last === null ? '' : tight ? '\n' : '\n\n';
    document.text += gap + part.text;
    bytes += size(gap);
    const open = document.pages.at(-1);
    if (open && open.end === open.start) open.start = bytes;
    const block = { kind: part.kind, start: bytes, end: bytes + size(part.text), text: part.text };
    if (part.level) block.level = part.level;
    document.blocks.push(block);
    bytes = block.end;
    if (open) open.end = bytes;
    last = part.kind;
  }
  document.pages.forEach((page, index) => {
    page.end = document.pages[index + 1]?.start ?? bytes;
  });
  return { ...document, bytes };
}

/** Plain text or simple Markdown as blocks. */
export function partsOfText(text) {
  const parts = [];
  for (const piece of text.replace(/\r\n?/g, '\n').split(/\n\s*\n/)) {
    const heading = /^(#{1,6})\s+(.*)$/.exec(piece.trim());
    if (heading) parts.push({ kind: 'heading', level: heading[1].length, text: heading[2].trim() });
    else if (piece.trim() !== '') parts.push({ kind: 'paragraph', text: piece.trim().replace(/\s+/g, ' ') });
  }
  return parts;
}

const paragraphs = [
  'Tides are the rise and fall of sea levels caused by the combined effects of the gravitational forces exerted by the Moon and the Sun and the rotation of the Earth. Most coasts see two high tides and two low tides each lunar day of about 24 hours and 50 minutes.',
  'A spring tide occurs near the new and the full moon, when the pull of the Sun is added to that of the Moon. The range of the tide is then at its greatest. Neap tides come about seven days later, when the two pulls stand at right angles.',
  'The Bay of Fundy has the largest tidal range in the world: up to 16 metres between low and high water. Its length of about 270 km gives it a natural period close to that of the tide, so the water resonates.',
  'Harbour masters have kept tables of the tide since the Middle Ages. The oldest known European table gives the time of “flod at london brigge” for each day of the age of the moon.',
  'Tide gauges measured by a float in a stilling well until pressure sensors replaced them. Since 1992 satellites measure the height of the open sea to about three centimetres.',
];

/** A long handbook with every kind of block, the same each time. */
export function handbook(title, pages) {
  const parts = [];
  for (let page = 1; page <= pages; page += 1) {
    parts.push({ page });
    if (page % 8 === 1) {
      parts.push({ kind: 'heading', level: 1, text: `Chapter ${Math.ceil(page / 8)}: The sea and the moon` });
    }
    if (page % 2 === 0) parts.push({ kind: 'heading', level: 2, text: `Observations ${page}` });
    const shift = page % paragraphs.length;
    for (let i = 0; i < 3; i += 1) {
      const text = paragraphs[(shift + i) % paragraphs.length];
      parts.push({ kind: 'paragraph', text: page < 6 ? text : `${text} (Record ${page}.${i + 1}.)` });
    }
    if (page % 3 === 1) {
      for (const item of [
        'High water is noted to the minute.',
        'Low water is noted to the minute.',
        'Wind is noted in words.',
      ])
        parts.push({ kind: 'list_item', text: item });
    }
    if (page % 4 === 2) {
      parts.push({ kind: 'table_row', text: 'Port | Mean range (m) | Spring range (m)' });
      parts.push({ kind: 'table_row', text: 'Burntcoat Head | 11.7 | 14.5' });
      parts.push({ kind: 'table_row', text: 'Saint-Malo | 8.2 | 12.0' });
      parts.push({ kind: 'caption', text: `Table ${page}. Ranges of the tide at two ports.` });
    }
    if (page % 10 === 5)
      parts.push({
        kind: 'code',
        text: 'height(t) = mean\n  + m2 * cos(28.98 * t)\n  + s2 * cos(30.00 * t)',
      });
  }
  return buildDocument(title, parts);
}
