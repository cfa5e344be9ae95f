export * from './performance-database.ts';
