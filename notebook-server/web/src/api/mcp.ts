/** An MCP server that the operator has set up, as GET /api/mcp/servers tells of it. */
export interface McpServer {
  name: string;
  status: 'connected' | 'disconnected' | 'error';
  since: number;
  /** Why there is an error. */
  reason?: string;
  protocol?: string;
  about?: string;
  tools: McpTool[];
  not_offered: number;
  refused: string[];
}

export interface McpTool {
  name: string;
  /** What its server calls it. */
  tool: string;
  description: string;
  class: 'read' | 'outward';
}
