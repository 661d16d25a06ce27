import { Subject } from 'rxjs';
import { Door } from '../src/door';

describe('Door', () => {
  it.each([0, 1, 2])('is a Subject, with %i subscribers', (subscribers) => {
    const told = [new Subject<string>(), new Door<string>()].map((subject) => {
      const words: string[] = [];
      for (let number = 0; number < subscribers; number += 1) {
        const subscription = subject.subscribe({
          next: (word) => {
            words.push(`${number} ${word}`);
            if (word === 'again') subject.next('once more');
            if (word === 'leave') subscription.unsubscribe();
          },
          complete: () => words.push(`${number} complete`),
        });
      }
      for (const word of ['first', 'again', 'last']) subject.next(word);
      if (subscribers > 0) subject.next('leave');
      subject.next('too late');
      subject.complete();
      for (const late of [subject]) late.next('later still');
      return words;
    });
    expect(told[1]).toEqual(told[0]);
    expect(told[0]).toHaveLength(subscribers === 1 ? 5 : subscribers === 2 ? 12 : 0);
  });
});
