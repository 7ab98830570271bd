// A power spectrum, by Cooley and Tukey's fast Fourier transform of radix 2, in place.

/** A transform of `size` samples, a power of 2, with a Hann window. */
export class Spectrum {
  constructor(size) {
    this.size = size;
    this.power = new Float32Array(size / 2 + 1);
    this.real = new Float32Array(size);
    this.imaginary = new Float32Array(size);
    this.window = Float32Array.from(
      { length: size }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / size),
    );
    this.cosines = Float32Array.from({ length: size / 2 }, (_, n) => Math.cos((2 * Math.PI * n) / size));
    this.sines = Float32Array.from({ length: size / 2 }, (_, n) => Math.sin((2 * Math.PI * n) / size));
    const bits = Math.log2(size);
    this.reversed = Uint32Array.from({ length: size }, (_, n) => {
      let turned = 0;
      for (let bit = 0; bit < bits; bit += 1) turned |= ((n >> bit) & 1) << (bits - 1 - bit);
      return turned;
    });
  }

  /** The power in each bin from 0 Hz to half the rate, of the samples from `start` on. */
  of(samples, start) {
    const { size, real, imaginary, cosines, sines, window, reversed, power } = this;
    for (let n = 0; n < size; n += 1) {
      real[reversed[n]] = (samples[start + n] ?? 0) * window[n];
      imaginary[n] = 0;
    }
    for (let span = 2; span <= size; span *= 2) {
      const half = span / 2;
      const step = size / span;
      for (let block = 0; block < size; block += span) {
        for (let k = 0; k < half; k += 1) {
          const [even, odd] = [block + k, block + k + half];
          const [c, s] = [cosines[k * step], sines[k * step]];
          const re = real[odd] * c + imaginary[odd] * s;
          const im = imaginary[odd] * c - real[odd] * s;
          real[odd] = real[even] - re;
          imaginary[odd] = imaginary[even] - im;
          real[even] += re;
          imaginary[even] += im;
        }
      }
    }
    for (let k = 0; k < power.length; k += 1) power[k] = real[k] ** 2 + imaginary[k] ** 2;
    return power;
  }
}
