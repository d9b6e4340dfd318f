// Import specifiers end in `.js`, as Node requires, but before a build only the `.ts` file exists. Jest loads resolvers
// with require.
const { existsSync } = require('node:fs');
const path = require('node:path');

const vendored = `${path.sep}node_modules${path.sep}`;

module.exports = {
  sync(request, options) {
    if (request.startsWith('.') && request.endsWith('.js') && !options.basedir.includes(vendored)) {
      const source = path.resolve(options.basedir, `${request.slice(0, -'.js'.length)}.ts`);
      if (existsSync(source)) return source;
    }
    return options.defaultResolver(request, options);
  },
};
