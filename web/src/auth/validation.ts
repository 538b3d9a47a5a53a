/** The API's rules, told before the round trip. */
export function usernameProblem(username: string): string | null {
  const length = Array.from(username.trim()).length;
  if (length < 3) return 'At least 3 characters.';
  if (length > 100) return 'At most 100 characters.';
  return null;
}

export function emailProblem(email: string): string | null {
  return /^\S+@\S+\.\S+$/.test(email.trim()) ? null : 'This doesn’t look like an e-mail address.';
}

export function passwordProblem(password: string): string | null {
  return password.length < 8 ? 'At least 8 characters.' : null;
}
