// A browser's requests, in order.
import type { BrowserContext, Page, Request } from '@playwright/test';

/** Clerk's handshake through our proxy, as `documents` lists it. */
export const HANDSHAKE = 'GET /__clerk/v1/client/handshake';

export class Traffic {
  readonly requests: Request[] = [];

  constructor(source: Page | BrowserContext) {
    // Both emit the event, but TypeScript finds no common overload.
    (source as Page).on('request', (request) => this.requests.push(request));
  }

  /** The documents, redirects included, as "METHOD /path". */
  documents(): string[] {
    const documents = this.requests.filter((request) => request.isNavigationRequest() && request.frame().parentFrame() === null);
    return documents.map((request) => `${request.method()} ${new URL(request.url()).pathname}`);
  }

  /** The paths of all requests. */
  paths(): string[] {
    return this.requests.map((request) => new URL(request.url()).pathname);
  }

  forget(): void {
    this.requests.length = 0;
  }
}

/** Scripts and WASM, ours and Clerk's. */
export const isCode = (path: string) => /\.(js|mjs|wasm)$/.test(path);
/** Anything from Clerk: its files and its API. */
export const isClerk = (path: string) => /^\/(clerk|__clerk)\//.test(path);
export const isClerkJs = (path: string) => /^\/clerk\/clerk-js@[^/]+\/clerk\.browser\.js$/.test(path);
export const isClerkUi = (path: string) => /^\/clerk\/ui@/.test(path);
