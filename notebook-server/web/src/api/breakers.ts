/** What a model is called for. */
export type ModelRoute = 'answers' | 'embeddings' | 'rerank';

/** How a model stands, as GET /api/status tells of it. */
export interface ModelState {
  /** `provider/model`. */
  model: string;
  route: ModelRoute;
  /** Whether an operator has decided so by hand. */
  forced: boolean;
  state: 'closed' | 'open' | 'half_open';
  open_millis: number;
}

/** `closed`: every call is made; `open`: none is; `auto`: by what comes of them. */
export type BreakerSetting = 'auto' | 'closed' | 'open';
