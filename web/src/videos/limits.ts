/** The API's limits on a video's own words. */
export const MAX_TITLE = 200;
export const MAX_DESCRIPTION = 5000;
