// What the package may cost. Megabytes are 10⁶ bytes.

/** One addon of prebuilds/, with CUDA kernels. */
export const addonBytes = 20e6;
/** The tarball, with every platform. */
export const tarballBytes = 15e6;
/** `npm install` of the tarball without install scripts, into an empty directory, its dependencies in npm's cache. */
export const installSeconds = 5;
/** `import 'onelogit'`, the addon included. */
export const importMilliseconds = 60;
/** Packages that an installation adds, onelogit and the dependencies of its dependencies included. */
export const installedPackages = 4;
