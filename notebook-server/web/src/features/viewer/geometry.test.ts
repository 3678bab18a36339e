import { describe, expect, it } from 'vitest';
import { cropAround, padded, uprightArea, uprightSize, uprightTurn } from './geometry';

const area = { left: 10, top: 20, width: 30, height: 5 };
const lying = (quarters: number) => ({ width: 100, height: 60, quarters });

/** Where SVG puts a point. */
function turn(transform: string, x: number, y: number): [number, number] {
  const [, dx, dy, angle] = /translate\((\S+) (\S+)\) rotate\((\d+)\)/.exec(transform) ?? [];
  const radians = (Number(angle) * Math.PI) / 180;
  const [cos, sin] = [Math.round(Math.cos(radians)), Math.round(Math.sin(radians))];
  return [x * cos - y * sin + Number(dx), x * sin + y * cos + Number(dy)];
}

describe('pictures that lie (B4)', () => {
  it('a rectangle is turned as the picture is', () => {
    for (const quarters of [0, 1, 2, 3]) {
      const corners = [
        turn(uprightTurn(lying(quarters)), area.left, area.top),
        turn(uprightTurn(lying(quarters)), area.left + area.width, area.top + area.height),
      ];
      const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)];
      expect(uprightArea(area, lying(quarters))).toEqual({
        left: Math.min(...xs),
        top: Math.min(...ys),
        width: Math.abs((xs[0] ?? 0) - (xs[1] ?? 0)),
        height: Math.abs((ys[0] ?? 0) - (ys[1] ?? 0)),
      });
    }
  });

  it('the whole picture fills the turned one', () => {
    for (const quarters of [0, 1, 2, 3]) {
      const whole = { left: 0, top: 0, width: 100, height: 60 };
      expect(uprightArea(whole, lying(quarters))).toEqual({
        left: 0,
        top: 0,
        ...uprightSize(lying(quarters)),
      });
    }
  });

  it('a crop has all words, and stays in the picture', () => {
    const size = { width: 100, height: 60 };
    expect(cropAround([], size)).toEqual({ left: 0, top: 0, ...size });
    const crop = cropAround([area, { left: 60, top: 30, width: 39, height: 5 }], size);
    expect(crop).toEqual({ left: 4, top: 14, width: 96, height: 27 });
    expect(padded(area)).toEqual({ left: 9, top: 19, width: 32, height: 7 });
  });
});
