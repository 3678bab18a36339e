/** A thin bar; without a value it only moves. */
export function Progress({ label, value }: { label: string; value: number | null }) {
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      {...(value === null ? {} : { 'aria-valuenow': Math.round(value * 100) })}
      className="relative h-1 w-full overflow-hidden rounded-full bg-wash"
    >
      {value === null ? (
        <div className="absolute inset-y-0 w-1/3 animate-slide rounded-full bg-accent" />
      ) : (
        <div
          className="h-full rounded-full bg-accent transition-[width] duration-300"
          style={{ width: `${value * 100}%` }}
        />
      )}
    </div>
  );
}
