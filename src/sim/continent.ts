/**
 * The twelve cities and 32 links of a commercial overlay network that two papers measured on: the
 * topology of the lab and of the simulator's continental scenarios.
 *
 * Links are those of figure 1 in Babay, Wagner, Dinitz, Amir, "Timely, Reliable, and Cost-Effective
 * Internet Transport Service Using Dissemination Graphs" (ICDCS 2017), the same as figure 3 in
 * Obenshain et al., "Practical Intrusion-Tolerant Networks" (ICDCS 2016), where every link is capped
 * at 10 Mbit/s. Link latencies were not published. These are derived: great-circle distance at
 * 200 km a millisecond (light in fibre) times 1.5 for the detours of real cables, a factor that makes
 * the mean over all pairs match the one in the ICDCS 2016 paper.
 */

export interface City {
  /** Airport code, or the university's for its own site; the node's name in the lab. */
  readonly name: string;
  readonly place: string;
  /** Degrees, north positive. */
  readonly latitude: number;
  /** Degrees, east positive. */
  readonly longitude: number;
}

export interface CityLink {
  readonly a: string;
  readonly b: string;
  /** One way, the same in both directions. */
  readonly latencyMilliseconds: number;
  readonly megabitsPerSecond: number;
}

export const CITIES: readonly City[] = [
  { name: 'NYC', place: 'New York', latitude: 40.71, longitude: -74.01 },
  { name: 'SJC', place: 'San Jose', latitude: 37.34, longitude: -121.89 },
  { name: 'DEN', place: 'Denver', latitude: 39.74, longitude: -104.99 },
  { name: 'LON', place: 'London', latitude: 51.51, longitude: -0.13 },
  { name: 'CHI', place: 'Chicago', latitude: 41.88, longitude: -87.63 },
  { name: 'WAS', place: 'Washington', latitude: 39.04, longitude: -77.49 },
  { name: 'JHU', place: 'Baltimore', latitude: 39.33, longitude: -76.62 },
  { name: 'LAX', place: 'Los Angeles', latitude: 34.05, longitude: -118.24 },
  { name: 'HKG', place: 'Hong Kong', latitude: 22.32, longitude: 114.17 },
  { name: 'DFW', place: 'Dallas', latitude: 32.78, longitude: -96.8 },
  { name: 'ATL', place: 'Atlanta', latitude: 33.75, longitude: -84.39 },
  { name: 'FRA', place: 'Frankfurt', latitude: 50.11, longitude: 8.68 },
];

const CAPACITY = 10;

const link = (a: string, b: string, latencyMilliseconds: number): CityLink => ({
  a,
  b,
  latencyMilliseconds,
  megabitsPerSecond: CAPACITY,
});

export const CITY_LINKS: readonly CityLink[] = [
  link('SJC', 'NYC', 30.8),
  link('SJC', 'DEN', 11.2),
  link('SJC', 'LAX', 3.7),
  link('SJC', 'DFW', 17.5),
  link('SJC', 'HKG', 83.7),
  link('DEN', 'HKG', 90.1),
  link('DEN', 'LAX', 10.0),
  link('DEN', 'DFW', 8.0),
  link('DEN', 'ATL', 14.6),
  link('DEN', 'CHI', 11.1),
  link('LAX', 'HKG', 87.4),
  link('LAX', 'DFW', 14.9),
  link('LAX', 'WAS', 27.4),
  link('HKG', 'DFW', 98.0),
  link('CHI', 'NYC', 8.6),
  link('CHI', 'LON', 47.6),
  link('CHI', 'WAS', 6.9),
  link('CHI', 'DFW', 9.7),
  link('CHI', 'ATL', 7.1),
  link('CHI', 'FRA', 52.2),
  link('WAS', 'NYC', 2.6),
  link('WAS', 'LON', 44.4),
  link('WAS', 'JHU', 0.6),
  link('WAS', 'FRA', 49.1),
  link('WAS', 'ATL', 6.4),
  link('WAS', 'DFW', 14.0),
  link('NYC', 'JHU', 2.0),
  link('NYC', 'LON', 41.8),
  link('NYC', 'FRA', 46.5),
  link('JHU', 'ATL', 7.0),
  link('LON', 'FRA', 4.8),
  link('DFW', 'ATL', 8.7),
];

/**
 * The sixteen transcontinental flows of the ICDCS 2017 paper, four eastern sites to two western ones
 * and back, each as [source, destination].
 */
export const TRANSCONTINENTAL_FLOWS: readonly (readonly [string, string])[] = [
  ['NYC', 'SJC'],
  ['NYC', 'LAX'],
  ['JHU', 'SJC'],
  ['JHU', 'LAX'],
  ['WAS', 'SJC'],
  ['WAS', 'LAX'],
  ['ATL', 'SJC'],
  ['ATL', 'LAX'],
  ['SJC', 'NYC'],
  ['LAX', 'NYC'],
  ['SJC', 'JHU'],
  ['LAX', 'JHU'],
  ['SJC', 'WAS'],
  ['LAX', 'WAS'],
  ['SJC', 'ATL'],
  ['LAX', 'ATL'],
];
