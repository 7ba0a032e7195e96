// Texts with ${{ }} as GitHub's runner reads them, by GitHub's own evaluator.
// stdin: {"contexts": {...}, "texts": [...]}; stdout: the texts, in order, as JSON.
import { readFileSync } from "node:fs";

const { Lexer, Parser, Evaluator, data } = await import(process.argv[2]);
const { contexts, texts } = JSON.parse(readFileSync(0, "utf8"));
const known = JSON.parse(JSON.stringify(contexts), data.reviver);

function evaluated(expression) {
  const tree = new Parser(new Lexer(expression).lex().tokens, Object.keys(contexts), []).parse();
  return new Evaluator(tree, known).evaluate().coerceString();
}

console.log(JSON.stringify(texts.map((text) => text.replace(/\$\{\{(.*?)\}\}/gs, (_, one) => evaluated(one)))));
