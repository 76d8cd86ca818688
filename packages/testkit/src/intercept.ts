/**
 * An object that behaves like `target` except where `instead` says otherwise: how a test watches or breaks one member of
 * a machine, a transport or a store, whatever class that is. Getters of `target` see the target itself.
 */
export function intercept<T extends object>(target: T, instead: Partial<T>): T {
  return new Proxy(target, {
    get(_target, name) {
      if (name in instead) return Reflect.get(instead, name);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
