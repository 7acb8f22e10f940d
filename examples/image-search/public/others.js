// A page of classes to choose from.
import { draw } from './draw.js';

const perPage = 20;

export class Others {
  #list = document.getElementById('others');
  #earlier = document.getElementById('earlier');
  #later = document.getElementById('later');
  #range = document.getElementById('others-range');
  #about;
  #choose;
  #from = -1;
  #chosen = 0;

  constructor(about, choose) {
    this.#about = about;
    this.#choose = choose;
    this.#earlier.addEventListener('click', () => this.#turn(this.#from - perPage));
    this.#later.addEventListener('click', () => this.#turn(this.#from + perPage));
  }

  /** Marks a class, on the page that has it. */
  show(classId) {
    this.#chosen = classId;
    const from = classId - (classId % perPage);
    if (from === this.#from) this.#mark();
    else this.#turn(from);
  }

  async #turn(from) {
    this.#from = from;
    const to = Math.min(from + perPage, this.#about.classes);
    this.#earlier.disabled = from === 0;
    this.#later.disabled = to === this.#about.classes;
    this.#range.textContent = `${from.toLocaleString('en')} to ${(to - 1).toLocaleString('en')}`;
    const portraits = await (await fetch(`portraits?from=${from}&count=${perPage}`)).json();
    // Somebody may have turned on meanwhile.
    if (from !== this.#from) return;
    this.#list.replaceChildren(...portraits.map((portrait) => this.#item(portrait)));
    this.#mark();
  }

  #item({ classId, image }) {
    const item = document.createElement('li');
    const button = document.createElement('button');
    button.type = 'button';
    button.dataset.class = classId;
    button.title = `Class ${classId}`;
    button.setAttribute('aria-label', `Look for class ${classId}`);
    button.addEventListener('click', () => this.#choose(classId));
    const canvas = document.createElement('canvas');
    canvas.setAttribute('aria-hidden', 'true');
    draw(canvas, image, this.#about.inputShape);
    button.append(canvas);
    item.append(button);
    return item;
  }

  #mark() {
    for (const button of this.#list.querySelectorAll('button'))
      button.setAttribute('aria-pressed', String(Number(button.dataset.class) === this.#chosen));
  }
}
