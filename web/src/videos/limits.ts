/** The API's limits on a video's own words. */
export const MAX_TITLE = 100;
export const MAX_DESCRIPTION = 500;
