import type { Area, Regions } from '@/api/pictures';

type Lying = Pick<Regions, 'width' | 'height' | 'quarters'>;

/** The size of a picture that was turned so that its text stands upright. */
export const uprightSize = ({ width, height, quarters }: Lying): { width: number; height: number } =>
  quarters % 2 === 1 ? { width: height, height: width } : { width, height };

/** The turn itself, for SVG: what was in the corner is in the corner again. */
export function uprightTurn({ width, height, quarters }: Lying): string {
  const moved = [`0 0`, `${height} 0`, `${width} ${height}`, `0 ${width}`][quarters % 4] ?? '0 0';
  return `translate(${moved}) rotate(${(quarters % 4) * 90})`;
}

/** A rectangle of the picture in the one that was turned. */
export function uprightArea(area: Area, { width, height, quarters }: Lying): Area {
  const right = width - area.left - area.width;
  const below = height - area.top - area.height;
  const turned = { width: area.height, height: area.width };
  switch (quarters % 4) {
    case 1:
      return { left: below, top: area.left, ...turned };
    case 2:
      return { ...area, left: right, top: below };
    case 3:
      return { left: area.top, top: right, ...turned };
    default:
      return area;
  }
}

/** A little wider than its word, so that neighbours touch. */
export function padded({ left, top, width, height }: Area): Area {
  const pad = Math.max(1, Math.min(width, height) * 0.2);
  return { left: left - pad, top: top - pad, width: width + 2 * pad, height: height + 2 * pad };
}

/** The part of a picture around some rectangles, within its edges; the whole one where there are none. */
export function cropAround(areas: readonly Area[], size: { width: number; height: number }): Area {
  if (areas.length === 0) return { left: 0, top: 0, ...size };
  const margin = 1.2 * Math.max(...areas.map(({ width, height }) => Math.min(width, height)));
  const left = Math.max(0, Math.min(...areas.map((area) => area.left)) - margin);
  const top = Math.max(0, Math.min(...areas.map((area) => area.top)) - margin);
  const right = Math.min(size.width, Math.max(...areas.map((area) => area.left + area.width)) + margin);
  const bottom = Math.min(size.height, Math.max(...areas.map((area) => area.top + area.height)) + margin);
  return { left, top, width: right - left, height: bottom - top };
}
