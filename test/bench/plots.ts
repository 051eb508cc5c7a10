/**
 * The pictures of docs/benchmarks.md, from the newest file in test/bench/results. `npm run docs` writes them; a test
 * compares them. White behind all of it, so that they can be read on a dark page, too.
 */
import { BarChart, LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import { init, use, type EChartsCoreOption } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { newestResults } from './docs-table.js';
import type { Results, Row } from './report.js';
import { sum, type Spread } from './statistics.js';

use([BarChart, LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

/** `whole-way.svg`, … in this directory. */
export const PICTURES = fileURLToPath(new URL('../../docs/benchmarks/', import.meta.url));

const WIDTH = 880;
const TEXT = { fontFamily: 'sans-serif', fontSize: 13, color: '#24292f' };
const LINES = { lineStyle: { color: '#d0d7de' } };
/** Far apart: how wide a text is depends on the reader's fonts. */
const LEGEND = { top: 34, left: 10, itemGap: 26, textStyle: TEXT };
/** Colours that people tell apart who see no red or no green (Okabe and Ito's), in the order of the steps. */
const COLOURS = ['#0072b2', '#56b4e9', '#009e73', '#f0e442', '#e69f00', '#d55e00', '#cc79a7'];

/** The text of each picture that these results have the figures for, by the name of its file. */
export function picturesOf(results: Results): Record<string, string> {
  const ways = waysIn(results);
  const storms = results['storms']?.curves;
  return {
    ...(ways.length === 0 ? {} : { 'whole-way.svg': drawn(wholeWay(ways), 166 + 46 * ways.length) }),
    ...(storms === undefined ? {} : { 'storm.svg': drawn(storm(storms), 380) }),
  };
}

function drawn(option: EChartsCoreOption, height: number): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  chart.setOption({ animation: false, backgroundColor: '#ffffff', textStyle: TEXT, ...option });
  const text = chart.renderToSVGString();
  chart.dispose();
  // It numbers its names through all charts of a process: here each picture has its own, from 1.
  const names = new Map<string, string>();
  return `${text.replaceAll(/\bzr\d+-[a-z]+-?\d+/g, (name) => {
    const known = names.get(name) ?? `n${names.size + 1}`;
    names.set(name, known);
    return known;
  })}\n`;
}

/** One bar: the steps of a lone dock, in milliseconds. */
interface Bar {
  name: string;
  steps: { step: string; milliseconds: number }[];
}

/** Two bars for each broker: live ones first. */
function waysIn(results: Results): Bar[] {
  const parts = Object.keys(results).filter((part) => part === 'journey' || part.startsWith('live '));
  const rows = parts
    .toSorted((a, b) => Number(a === 'journey') - Number(b === 'journey'))
    .flatMap((part) => results[part]!.rows)
    .filter((row) => 'step of one dock' in row);
  const brokers = [...new Set(rows.map((row) => row['broker'] as string))];
  return brokers.flatMap((broker) => {
    const own = rows.filter((row) => row['broker'] === broker);
    return [
      { name: `${broker}, dockhook`, steps: stepsOf(own, 'p50 ms') },
      { name: `${broker}, classic`, steps: stepsOf(own, 'classic p50 ms') },
    ];
  });
}

function stepsOf(rows: readonly Row[], cell: string): Bar['steps'] {
  return rows.map((row) => ({
    step: row['step of one dock'] as string,
    milliseconds: (row[cell] as Spread).median,
  }));
}

/** Side by side for each broker, a bar's length the whole way. */
function wholeWay(bars: readonly Bar[]): EChartsCoreOption {
  const steps = bars[0]!.steps.map(({ step }) => step);
  const total = ({ steps: all }: Bar): number => sum(all.map(({ milliseconds }) => milliseconds));
  return {
    ...titled('The whole way of one dock: where the time goes'),
    color: COLOURS,
    legend: { ...LEGEND, width: WIDTH - 20, itemWidth: 14, itemHeight: 14 },
    grid: { left: 190, right: 50, top: 104, bottom: 50 },
    xAxis: valueAxis('milliseconds, sum of the medians of each step'),
    yAxis: {
      type: 'category',
      inverse: true,
      data: bars.map(({ name }) => name),
      axisTick: { show: false },
      axisLine: LINES,
      axisLabel: TEXT,
    },
    series: steps.map((step, index) => ({
      type: 'bar',
      stack: 'way',
      name: step,
      barWidth: 26,
      data: bars.map((bar) => bar.steps[index]!.milliseconds),
      // The sum, once, behind the last step.
      label: {
        show: index === steps.length - 1,
        position: 'right',
        ...TEXT,
        formatter: ({ dataIndex }: { dataIndex: number }) => total(bars[dataIndex]!).toFixed(1),
      },
    })),
  };
}

/** Those that are over after about as long. With chosen passwords it takes minutes, and the others would be one line. */
const STORMS = ['no-op provider', 'generated, warm', 'generated, cold'];

function storm(curves: Record<string, number[]>): EChartsCoreOption {
  const shown = STORMS.filter((name) => name in curves);
  return {
    ...titled(`${docksIn(curves)} docks that come at once`),
    color: ['#6e7781', '#0072b2', '#d55e00'],
    legend: { ...LEGEND, icon: 'roundRect', itemHeight: 4 },
    grid: { left: 80, right: 50, top: 74, bottom: 50 },
    xAxis: { ...valueAxis('seconds since all of them began'), min: 0 },
    yAxis: { ...valueAxis('docks that are in'), nameRotate: 90, nameGap: 60 },
    series: shown.map((name) => ({
      type: 'line',
      name,
      showSymbol: false,
      lineStyle: { width: 2.5, ...(name === 'no-op provider' ? { type: 'dashed' } : {}) },
      data: [0, ...curves[name]!].map((docks, second) => [second, docks]),
    })),
  };
}

function docksIn(curves: Record<string, number[]>): string {
  return Math.max(...Object.values(curves).flat()).toLocaleString('en');
}

function titled(text: string): EChartsCoreOption {
  return { title: { text, left: 10, top: 6, textStyle: { ...TEXT, fontSize: 16, fontWeight: 'bold' } } };
}

function valueAxis(name: string) {
  return {
    type: 'value',
    name,
    nameLocation: 'middle',
    nameGap: 30,
    nameTextStyle: TEXT,
    axisLabel: TEXT,
    splitLine: LINES,
  };
}

if (process.argv.includes('--write')) {
  for (const [name, text] of Object.entries(picturesOf(newestResults() ?? {})))
    writeFileSync(`${PICTURES}${name}`, text);
}
