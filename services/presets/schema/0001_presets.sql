CREATE SCHEMA presets;

-- What accounts make; the four ICPs are not here.
CREATE TABLE presets.presets (
    account_id uuid NOT NULL,
    -- ordered as it is written, whatever the language of the database
    name text COLLATE "C" NOT NULL,
    -- width to height
    aspect integer[] NOT NULL,
    -- fractions of the frame's height
    head double precision NOT NULL,
    eye_line double precision NOT NULL,
    -- width and height in pixels
    full_size integer[] NOT NULL,
    medium_size integer[] NOT NULL,
    -- further ones by name; json, which unlike jsonb keeps their order
    sizes json NOT NULL,
    -- #rrggbb, transparent, or empty for the photograph's own
    background text NOT NULL,
    format text NOT NULL,
    dpi integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, name)
);
