const ADJECTIVES =
  'amber autumn bold brave bright calm clear clever cosy crisp early easy fair fond gentle glad golden grand green happy honest ivory jolly kind light lively lucky mellow merry mild misty noble olive open plain proud quick quiet rapid rosy royal rustic sage silver simple sunny swift tidy vivid warm wild wise'.split(
    ' ',
  );
const NOUNS =
  'acorn badger beach birch brook canyon cedar cliff cloud clover comet coral creek daisy delta dune eagle ember falcon fern fjord forest fox garden grove harbour heron hill island juniper lake lantern linden lotus lynx maple meadow moon moss oak ocean orchard otter owl pebble pine pond raven reef river robin rowan sparrow spruce star summit swan thistle tulip valley willow wren'.split(
    ' ',
  );

/** A random number below `limit`, from the browser's secure source. */
function below(limit: number): number {
  const [word = 0] = crypto.getRandomValues(new Uint32Array(1));
  return word % limit;
}

/** A room name that can be said aloud and is hard to guess: two words and four digits, like `quiet-otter-4821`. */
export function randomRoomName(): string {
  return `${ADJECTIVES[below(ADJECTIVES.length)]}-${NOUNS[below(NOUNS.length)]}-${1000 + below(9000)}`;
}
